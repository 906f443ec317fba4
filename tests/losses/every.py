"""Every objective and every term that a YAML can name."""

from losses.auxiliary_classifier import AuxiliaryClassifier
from losses.base import AdversarialObjective
from losses.condition_reconstruction import ConditionReconstruction
from losses.dragan import DRAGAN
from losses.feature_matching import FeatureMatching, FeatureMatchingGAN
from losses.hinge import Hinge
from losses.infogan import InfoGAN
from losses.least_squares import LeastSquares, MismatchedLabels
from losses.minimax import Minimax
from losses.motion_information import MotionInformation
from losses.non_saturating import NonSaturating
from losses.r1_r2 import R1, R2
from losses.r3gan import R3GAN
from losses.relativistic import RelativisticAverageLeastSquares
from losses.vgan import MaskSparsity, TwoWayCrossEntropy
from losses.wasserstein import Wasserstein
from losses.wgan_gp import WGANGP, GradientPenalty

OBJECTIVES: dict[str, AdversarialObjective] = {
    "minimax": Minimax(),
    "non_saturating": NonSaturating(),
    "two_way": TwoWayCrossEntropy(),
    "least_squares": LeastSquares(),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
    "wgan_gp": WGANGP(),
    "relativistic": RelativisticAverageLeastSquares(),
    "r3gan": R3GAN(gamma=2.0, gamma_last=0.5, decay_steps=10),
    "feature_matching": FeatureMatchingGAN(),
}

# Each by the name of its term, in an objective that it goes with.
WITH_TERMS: dict[str, AdversarialObjective] = {
    "r1": NonSaturating(terms={"r1": R1(3.0, interval=2)}),
    "r2": NonSaturating(terms={"r2": R2(3.0)}),
    "gradient_penalty": NonSaturating(terms={"gradient_penalty": GradientPenalty(3.0)}),
    "second_head": NonSaturating(terms={"second_head": GradientPenalty(3.0, heads=[1])}),
    "dragan": NonSaturating(terms={"dragan": DRAGAN(3.0)}),
    "classes": NonSaturating(terms={"classes": AuxiliaryClassifier()}),
    "latents": NonSaturating(terms={"latents": InfoGAN()}),
    "features": NonSaturating(terms={"features": FeatureMatching(3.0)}),
    "mismatched": LeastSquares(terms={"mismatched": MismatchedLabels(1.0, 3)}),
    "condition": NonSaturating(terms={"condition": ConditionReconstruction(3.0)}),
    "motion": NonSaturating(terms={"motion": MotionInformation()}),
    "mask": TwoWayCrossEntropy({"mask": MaskSparsity()}),
}
