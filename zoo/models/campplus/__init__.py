"""CAM++: seven million parameters at half the frame rate."""

from zoo.models.campplus.config import OPTIONS
from zoo.models.campplus.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

SPECS = (
    SpeakerSpec(
        name="campplus",
        family="campplus",
        title="CAM++",
        paper="H. Wang, S. Zheng, Y. Chen, L. Cheng, Q. Chen: CAM++: A Fast and Efficient Network for "
        "Speaker Verification Using Context-Aware Masking. Interspeech 2023",
        url="https://arxiv.org/abs/2303.00332",
        licence="Apache-2.0",
        front_end=Filterbank(),
        network="zoo.models.campplus.model:CAMPlus",
        options=OPTIONS,
        parameters=7_176_224,
        least_frames=3,
        macs_per_second=537_000_000,
        weights=WEIGHTS,
        config_reader="zoo.models.campplus.config:read_config",
        readers={"graph": "zoo.models.campplus.published:read_graph"},
    ),
)
