"""ECAPA-TDNN with 512 or 1024 channels, without and with global context in the pooling's attention."""

from zoo.models.ecapa.config import options
from zoo.models.ecapa.weights import WEIGHTS
from zoo.spec import Filterbank, SpeakerSpec

_SIZES = {  # channels, context: parameters, multiply-adds a second
    (512, False): (5_797_504, 479_000_000),
    (1024, False): (14_263_872, 1_290_000_000),
    (512, True): (6_190_720, 480_000_000),
    (1024, True): (14_657_088, 1_290_000_000),
}

SPECS = tuple(
    SpeakerSpec(
        name=f"ecapa_c{channels}{'_glob' if context else ''}",
        family="ecapa",
        title=f"ECAPA-TDNN, {channels} channels{', global context' if context else ''}",
        paper="B. Desplanques, J. Thienpondt, K. Demuynck: ECAPA-TDNN: Emphasized Channel Attention, "
        "Propagation and Aggregation in TDNN Based Speaker Verification. Interspeech 2020",
        url="https://arxiv.org/abs/2005.07143",
        licence="Apache-2.0",
        front_end=Filterbank(),
        network="zoo.models.ecapa.model:ECAPA",
        options=options(channels, context),
        variable=("embedding", "final_norm"),
        parameters=parameters,
        least_frames=2 if context else 1,
        macs_per_second=macs,
        weights=WEIGHTS if (channels, context) == (512, True) else (),
        config_reader="zoo.models.ecapa.config:read_config",
        readers={"graph": "zoo.models.ecapa.published:read_graph"},
    )
    for (channels, context), (parameters, macs) in _SIZES.items()
)
