"""The people of the acting figures: their build, skin, hair and clothes."""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]

LIGHT, TAN, BROWN, DARK = (240, 180, 140), (205, 140, 92), (150, 92, 58), (94, 56, 40)  # skin
BLACK, GREY, WHITE = (30, 26, 30), (112, 112, 120), (250, 250, 246)
BLOND, GINGER, CHESTNUT = (244, 196, 70), (216, 98, 30), (96, 52, 28)
RED, ORANGE, YELLOW, PINK = (210, 36, 40), (240, 124, 24), (248, 200, 36), (230, 50, 130)
GREEN, FOREST, TEAL, SKY = (60, 164, 60), (22, 92, 52), (16, 140, 136), (40, 140, 220)
BLUE, NAVY, PURPLE, MAROON = (40, 66, 176), (30, 40, 96), (120, 46, 150), (112, 28, 44)


@dataclass(frozen=True)
class Person:
    """How one person looks.  Colours are (red, green, blue), 0 to 255.

    Args:
        height: standing, from sole to crown, as a share of the frame's height.
        width: of trunk and limbs; 1 is average.
        skin: of face, hands and bare legs.
        hair: its colour.
        hair_style: "short", "long" (to the shoulders), "bun" or "bald".
        top: of the trunk.
        sleeves: of the whole arms, always unlike the trunk, so that an arm is seen before it.
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
    Person(0.82, 0.95, LIGHT, CHESTNUT, "short", RED, YELLOW, NAVY, "trousers", BLACK),
    Person(0.76, 1.00, DARK, BLACK, "bun", YELLOW, PURPLE, PURPLE, "skirt", RED),
    Person(0.84, 1.20, TAN, BLACK, "bald", GREEN, BLACK, CHESTNUT, "trousers", BLACK),
    Person(0.72, 0.95, LIGHT, GINGER, "long", SKY, PINK, NAVY, "shorts", RED),
    Person(0.80, 1.25, BROWN, BLACK, "short", ORANGE, NAVY, GREY, "trousers", RED),
    Person(0.78, 0.92, LIGHT, BLOND, "long", PURPLE, TEAL, PINK, "skirt", BLACK),
    Person(0.84, 0.95, DARK, BLACK, "short", SKY, RED, YELLOW, "shorts", BLUE),
    Person(0.74, 1.15, TAN, CHESTNUT, "bun", PINK, BLUE, BLUE, "trousers", ORANGE),
    Person(0.82, 1.10, LIGHT, GREY, "short", NAVY, MAROON, GREY, "trousers", BLACK),
    Person(0.76, 1.05, BROWN, BLACK, "long", RED, FOREST, FOREST, "skirt", YELLOW),
    Person(0.78, 0.95, TAN, BLACK, "short", BLACK, ORANGE, RED, "shorts", WHITE),
    Person(0.74, 1.25, LIGHT, GINGER, "bun", TEAL, CHESTNUT, SKY, "trousers", MAROON),
)
