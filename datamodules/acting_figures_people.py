"""The people of the acting figures: their build, skin, hair and clothes."""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]

LIGHT: Colour = (238, 178, 138)
TAN: Colour = (205, 140, 92)
BROWN: Colour = (146, 90, 56)
DARK: Colour = (92, 54, 38)


@dataclass(frozen=True)
class Person:
    """How one person looks.  Colours are (red, green, blue), 0 to 255.

    Args:
        height: standing, from sole to crown, as a share of the frame's height.
        width: of body and limbs; 1 is average.
        skin: of face and hands.
        hair: its colour.
        hair_style: "short", "long" (to the shoulders), "bun" or "bald".
        top: of the trunk.
        sleeves: of the whole arm, always unlike the trunk.
        bottom: of the legs.
        legwear: "trousers", "shorts" (bare below the knee) or "skirt" (to the knee, bare below).
        shoes: of the feet.
    """

    height: float
    width: float
    skin: Colour
    hair: Colour
    hair_style: Literal["short", "long", "bun", "bald"]
    top: Colour
    sleeves: Colour
    bottom: Colour
    legwear: Literal["trousers", "shorts", "skirt"]
    shoes: Colour


PEOPLE = (
    Person(
        0.80, 0.95, LIGHT, (60, 36, 24), "short", (214, 40, 40), (250, 200, 40), (30, 50, 120), "trousers", (40, 30, 30)
    ),
    Person(
        0.74, 1.00, DARK, (24, 18, 18), "bun", (250, 196, 30), (120, 40, 140), (120, 40, 140), "skirt", (214, 40, 40)
    ),
    Person(0.82, 1.20, TAN, (30, 24, 22), "bald", (30, 110, 60), (20, 40, 30), (96, 70, 44), "trousers", (30, 24, 20)),
    Person(
        0.70, 0.90, LIGHT, (226, 112, 34), "long", (30, 130, 200), (220, 30, 110), (24, 40, 84), "shorts", (230, 60, 40)
    ),
    Person(
        0.78, 1.30, BROWN, (20, 16, 16), "short", (244, 120, 24), (60, 30, 20), (50, 54, 66), "trousers", (200, 40, 30)
    ),
    Person(
        0.76, 0.90, LIGHT, (248, 204, 84), "long", (130, 50, 160), (20, 140, 130), (70, 26, 90), "skirt", (60, 20, 60)
    ),
    Person(
        0.82, 0.95, DARK, (16, 14, 14), "short", (20, 160, 170), (220, 50, 40), (230, 190, 60), "shorts", (30, 40, 110)
    ),
    Person(
        0.72, 1.15, TAN, (92, 48, 22), "bun", (226, 60, 130), (50, 60, 170), (40, 44, 110), "trousers", (240, 150, 30)
    ),
    Person(
        0.80,
        1.10,
        LIGHT,
        (120, 118, 120),
        "short",
        (40, 60, 150),
        (170, 30, 40),
        (110, 34, 40),
        "trousers",
        (36, 30, 40),
    ),
    Person(0.74, 1.05, BROWN, (28, 18, 16), "long", (200, 24, 40), (30, 90, 50), (30, 90, 50), "skirt", (30, 30, 40)),
    Person(0.76, 0.95, TAN, (22, 20, 30), "short", (50, 50, 60), (240, 130, 20), (180, 40, 50), "shorts", (20, 20, 30)),
    Person(
        0.72, 1.25, LIGHT, (150, 40, 26), "bun", (40, 150, 60), (90, 40, 30), (60, 90, 190), "trousers", (120, 30, 30)
    ),
)
