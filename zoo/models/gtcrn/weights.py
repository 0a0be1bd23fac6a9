"""The released weights of GTCRN."""

from zoo.spec import Weights

_RELEASE = "https://github.com/Xiaobin-Rong/gtcrn/raw/3862c44808dca492ea5a8a145d2dc2a1028d08c8/checkpoints"

WEIGHTS = (
    Weights(
        tag="dns3",
        url=f"{_RELEASE}/model_trained_on_dns3.tar",
        sha256="a630d992cf792daf4ce2bb5bcf9c4d389f740a8f09c6e0971184697fe6371b79",
        size=579_819,
        licence="MIT",
        training_data="Deep Noise Suppression challenge 3 (ICASSP 2021)",
        datasets=("dns-challenge-3",),
        metrics={"DNS3 blind test, DNSMOS OVRL (published)": 2.70},
    ),
    Weights(
        tag="vctk",
        url=f"{_RELEASE}/model_trained_on_vctk.tar",
        sha256="a0f0e04421d9fc1efe734d44191f5dc4b973ce59d6546af8d64ad9167e2a9944",
        size=737_323,
        licence="MIT",
        training_data="VoiceBank-DEMAND",
        datasets=("voicebank-demand",),
        metrics={
            "VoiceBank-DEMAND test, SI-SDR dB (published)": 18.83,
            "VoiceBank-DEMAND test, PESQ (published)": 2.87,
            "VoiceBank-DEMAND test, STOI (published)": 0.940,
        },
    ),
)
