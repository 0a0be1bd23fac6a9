"""Trained weights by tag, so that editors complete them: ``create_model("gtcrn", zoo.tags.gtcrn.DNS3)``.

A tag is its own string, "dns3" here, and ``DEFAULT`` the one that a model recommends.
Written from the registry.
"""

from enum import Enum


class Tag(str, Enum):
    """Weights of a model."""

    __str__ = str.__str__


class campplus(Tag):
    """Weights of CAM++."""

    VOXCELEB_LM = "voxceleb-lm"
    VOXCELEB = "voxceleb"
    VOXCELEB_3DSPEAKER = "voxceleb-3dspeaker"
    VOXCELEB_LM_SHERPA = "voxceleb-lm-sherpa"
    DEFAULT = VOXCELEB_LM


class dtln(Tag):
    """Weights of DTLN."""

    DNS1 = "dns1"
    DEFAULT = DNS1


class ecapa_c512_glob(Tag):
    """Weights of ECAPA-TDNN, 512 channels, global context."""

    VOXCELEB_LM = "voxceleb-lm"
    DEFAULT = VOXCELEB_LM


class eres2net_base(Tag):
    """Weights of ERes2Net, base."""

    VOXCELEB_3DSPEAKER = "voxceleb-3dspeaker"
    DEFAULT = VOXCELEB_3DSPEAKER


class fastenhancer_48k_b(Tag):
    """Weights of FastEnhancer-B (48 kHz)."""

    TAG_48K = "48k"
    WEB = "web"
    DEFAULT = TAG_48K


class fastenhancer_48k_l(Tag):
    """Weights of FastEnhancer-L (48 kHz)."""

    TAG_48K = "48k"
    DEFAULT = TAG_48K


class fastenhancer_48k_m(Tag):
    """Weights of FastEnhancer-M (48 kHz)."""

    TAG_48K = "48k"
    DEFAULT = TAG_48K


class fastenhancer_48k_s(Tag):
    """Weights of FastEnhancer-S (48 kHz)."""

    TAG_48K = "48k"
    TAG_48K_CHECKPOINT = "48k-checkpoint"
    WEB = "web"
    DEFAULT = TAG_48K


class fastenhancer_48k_t(Tag):
    """Weights of FastEnhancer-T (48 kHz)."""

    TAG_48K = "48k"
    WEB = "web"
    DEFAULT = TAG_48K


class fastenhancer_b(Tag):
    """Weights of FastEnhancer-B."""

    VD = "vd"
    DEFAULT = VD


class fastenhancer_l(Tag):
    """Weights of FastEnhancer-L."""

    DNS = "dns"
    VD = "vd"
    DEFAULT = DNS


class fastenhancer_m(Tag):
    """Weights of FastEnhancer-M."""

    VD = "vd"
    DEFAULT = VD


class fastenhancer_s(Tag):
    """Weights of FastEnhancer-S."""

    VD = "vd"
    DNS = "dns"
    DEFAULT = VD


class fastenhancer_t(Tag):
    """Weights of FastEnhancer-T."""

    SPEECHZOO = "speechzoo"
    DNS = "dns"
    DEFAULT = SPEECHZOO


class fastspeech_small(Tag):
    """Weights of FastSpeech, small."""

    SPEECHZOO = "speechzoo"
    DEFAULT = SPEECHZOO


class gtcrn(Tag):
    """Weights of GTCRN."""

    SPEECHZOO = "speechzoo"
    DNS3 = "dns3"
    VCTK = "vctk"
    DNS3_STREAM = "dns3-stream"
    SHERPA = "sherpa"
    DEFAULT = SPEECHZOO


class resnet152(Tag):
    """Weights of ResNet152."""

    VOXCELEB_LM = "voxceleb-lm"
    VOXCELEB_LM_SHERPA = "voxceleb-lm-sherpa"
    DEFAULT = VOXCELEB_LM


class resnet221(Tag):
    """Weights of ResNet221."""

    VOXCELEB_LM = "voxceleb-lm"
    DEFAULT = VOXCELEB_LM


class resnet293(Tag):
    """Weights of ResNet293."""

    VOXCELEB_LM = "voxceleb-lm"
    DEFAULT = VOXCELEB_LM


class resnet34(Tag):
    """Weights of ResNet34."""

    VOXCELEB_LM = "voxceleb-lm"
    VOXCELEB = "voxceleb"
    CNCELEB_LM = "cnceleb-lm"
    CNCELEB = "cnceleb"
    VOXCELEB_LM_SHERPA = "voxceleb-lm-sherpa"
    VOXCELEB_SHERPA = "voxceleb-sherpa"
    DEFAULT = VOXCELEB_LM


class ulunas(Tag):
    """Weights of UL-UNAS."""

    SPEECHZOO = "speechzoo"
    DNS3 = "dns3"
    DEFAULT = SPEECHZOO


class vocos(Tag):
    """Weights of Vocos."""

    VOCOS_22KHZ_UNIV = "vocos-22khz-univ"
    DEFAULT = VOCOS_22KHZ_UNIV


class vocos_small(Tag):
    """Weights of Vocos, small."""

    SPEECHZOO = "speechzoo"
    DEFAULT = SPEECHZOO
