"""The public recordings that weights are trained on, and those that are kept apart to judge them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["speech", "noise"]
SpeakerRule = Callable[[PurePosixPath], str | None]


def one_voice(path: PurePosixPath) -> str | None:
    """The speaker of a repository that has one."""
    return "voice"


def unknown(path: PurePosixPath) -> str | None:
    """No speaker: the repository does not say who speaks."""
    return None


def librispeech(path: PurePosixPath) -> str | None:
    """The speaker of ``SPEAKER-CHAPTER-UTTERANCE.flac``."""
    return path.stem.split("-")[0]


def speech_commands(path: PurePosixPath) -> str | None:
    """The speaker of ``SPEAKER_nohash_TURN.wav``."""
    return path.stem.split("_nohash_")[0]


def named_file(path: PurePosixPath) -> str | None:
    """The speaker of ``SPEAKER.wav``."""
    return path.stem


def second_folder(path: PurePosixPath) -> str | None:
    """The speaker of ``LANGUAGE/SPEAKER/...``."""
    return path.parts[1]


@dataclass(frozen=True)
class Source:
    """Recordings of one repository that are treated alike.

    Attributes:
        name: folder of the prepared recordings.
        repository: ``owner/name`` on GitHub.
        commit: of which the recordings are, 40 digits.
        folder: in the repository, with everything below it.
        kind: what is heard.
        licence: of the recordings, as the repository or their origin states it.
        origin: who recorded them, for the attribution.
        speaker: name of the speaker of a path; None if nobody says.
        judging: whether they are kept apart: neither trained on nor validated on.
        only: files without their ending, or folders, that are taken; all if there are none.
        left_out: files without their ending, or folders, that are not.
        validation: share of the speakers, of noise of the recordings, that are for validation.
        least_range_db: a recording whose loud and quiet moments differ by less is left out as noisy.
        most_seconds: of one speaker; the rest is left out.
    """

    name: str
    repository: str
    commit: str
    folder: str
    kind: Kind
    licence: str
    origin: str
    speaker: SpeakerRule = unknown
    judging: bool = False
    only: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    validation: float = 0.0
    least_range_db: float = 0.0
    most_seconds: float = float("inf")


_LIBRISPEECH = "LibriSpeech (V. Panayotov et al., from LibriVox), openslr.org/12"
_SPEECH_COMMANDS = "Speech Commands (P. Warden), version 0.01"
_RHASSPY = "voice datasets of the Rhasspy project"
_LARYNX = (
    *("cmu_aew", "cmu_ahw", "cmu_aup", "cmu_bdl", "cmu_clb", "cmu_eey", "cmu_fem", "cmu_jmk", "cmu_ksp"),
    *("cmu_ljm", "cmu_lnh", "cmu_rms", "cmu_rxr", "cmu_slp", "cmu_slt"),
    *("eva_k", "karlsson", "rebecca_braunert_plunkett", "ek", "judy_bieber", "mary_ann", "karen_savage"),
    *("lisa", "riccardo_fasol", "hokuspokus", "gilles_le_blanc", "bart_de_leeuw", "thorsten", "ljspeech"),
)

SOURCES = (
    Source(
        name="librispeech",
        repository="resemble-ai/Resemblyzer",
        commit="15d828edebe06bc72b9cabc8ef8ca5ab2cb457ce",
        folder="audio_data/librispeech_train-clean-100",
        kind="speech",
        licence="CC BY 4.0",
        origin=f"{_LIBRISPEECH}, train-clean",
        speaker=librispeech,
        validation=0.1,
    ),
    Source(
        name="wake_words",
        repository="Picovoice/wake-word-benchmark",
        commit="84919190fb1891bf0936dcb577d9268e467f876f",
        folder="audio",
        kind="speech",
        licence="Apache-2.0",
        origin="Picovoice",
        left_out=("multiple_keywords",),
        least_range_db=30.0,
    ),
    Source(
        name="kathleen",
        repository="rhasspy/dataset-voice-kathleen",
        commit="c51cb971036a127359b43c621f26ca5081eab13e",
        folder="data",
        kind="speech",
        licence="CC0-1.0",
        origin=_RHASSPY,
        speaker=one_voice,
        most_seconds=1800.0,
    ),
    Source(
        name="nathalie",
        repository="rhasspy/dataset-voice-nathalie",
        commit="3b3e91f39d13e2e681d8937575efb9bd3b3d8f5c",
        folder="verified",
        kind="speech",
        licence="CC0-1.0",
        origin=_RHASSPY,
        speaker=one_voice,
        most_seconds=1800.0,
    ),
    Source(
        name="speech_commands",
        repository="manashmandal/DeadSimpleSpeechRecognizer",
        commit="881b36a63bc9d449f60bc83ebcd2e7c5209a4761",
        folder="data",
        kind="speech",
        licence="CC BY 4.0",
        origin=f"{_SPEECH_COMMANDS}: bed, cat, happy",
        speaker=speech_commands,
        least_range_db=32.0,
    ),
    Source(
        name="vctk_vits",
        repository="T145/vctk-vits-speaker-comparison",
        commit="736518b8e31a33abf7df4068161a2035112ac19f",
        folder="output",
        kind="speech",
        licence="MIT; the voices are of VCTK, CC BY 4.0",
        origin="T145: VITS, trained on VCTK (J. Yamagishi et al.)",
        speaker=named_file,
        left_out=("232", "257"),  # speakers of VoiceBank-DEMAND's test set
    ),
    Source(
        name="larynx",
        repository="rhasspy/larynx",
        commit="3a2ee55ae929aee893092b6d3e8275a48cb2a7d1",
        folder="local",
        kind="speech",
        licence="MIT; the voices are of sets that are free, under BSD, CC0 or in the public domain",
        origin="Rhasspy's Larynx: GlowTTS, HiFi-GAN, on CMU Arctic, M-AILABS, CSS10, Thorsten and LJ Speech",
        speaker=second_folder,
        only=tuple(f"{voice}-glow_tts" for voice in _LARYNX),
    ),
    Source(
        name="speech_commands_background",
        repository="chaeyoung-lee/wids_tutorial",
        commit="7d028e7211c846244903eb59664087f1fb3e4c07",
        folder="data/_background_noise_",
        kind="noise",
        licence="CC BY 4.0",
        origin=f"{_SPEECH_COMMANDS}: background noise",
    ),
    Source(
        name="wake_word_background",
        repository="OpenVoiceOS/ovos-ww-community-dataset",
        commit="914a79326fbee6bbadbb67cd177a0634c625d6da",
        folder="not-wake-words/noises/bg_noise-20201215-jarbas",
        kind="noise",
        licence="public domain (licenses/license-20201215-jarbas.txt)",
        origin="JarbasAI",
        validation=0.2,
    ),
    Source(
        name="noisekun",
        repository="mateusfg7/Noisekun",
        commit="d32024c67aba7c0577e1609944af00b9df1b7775",
        folder=".github/assets/sounds",
        kind="noise",
        licence="CC0; rain on a tent and waterfall CC BY (README.md says which sound has which)",
        origin="Noisekun: SFX Producer, Stek59, B. Kozielski, straget, G. Dyer, Garuda1982",
        # Not those that Blanket has too, nor those under other licences.
        only=(
            "air-plane",
            "birds-tree",
            "brown-noise",
            "cave-drops",
            "coffee",
            "drops",
            "fire",
            "leaves",
            "night",
            "playground",
            "rain",
            "rain-on-tent",
            "storm",
            "stream-water",
            "waterfall",
            "waves",
        ),
        validation=0.15,
    ),
    Source(
        name="librispeech_other",
        repository="resemble-ai/Resemblyzer",
        commit="15d828edebe06bc72b9cabc8ef8ca5ab2cb457ce",
        folder="audio_data/librispeech_test-other",
        kind="speech",
        licence="CC BY 4.0",
        origin=f"{_LIBRISPEECH}, test-other",
        speaker=librispeech,
        judging=True,
    ),
    Source(
        name="kerstin",
        repository="rhasspy/dataset-voice-kerstin",
        commit="f73127135cf80d6ef52aef6af58c49774f4fd625",
        folder="verified",
        kind="speech",
        licence="CC0-1.0",
        origin=_RHASSPY,
        speaker=one_voice,
        judging=True,
        most_seconds=300.0,
    ),
    Source(
        name="flemishguy",
        repository="rhasspy/dataset-voice-flemishguy",
        commit="2576e9c8e5b6eec92e45010b5ede87c4f836f21e",
        folder="wavs",
        kind="speech",
        licence="CC0-1.0",
        origin=_RHASSPY,
        speaker=one_voice,
        judging=True,
        most_seconds=300.0,
    ),
    Source(
        name="blanket",
        repository="rafaelmardojai/blanket",
        commit="8b1c27aedde1d6ad8053ce5ad351a2924bcdb766",
        folder="data/resources/sounds",
        kind="noise",
        licence="CC0, CC BY, CC BY-SA or public domain, by sound (SOUNDS_LICENSING.md)",
        origin="Blanket",
        judging=True,
    ),
    Source(
        name="moodist",
        repository="remvze/moodist",
        commit="983f7412e8cd054e76d156977c563da2028e4428",
        folder="public/sounds",
        kind="noise",
        licence="CC0 or Pixabay Content License, not said which sound has which",
        origin="Moodist",
        judging=True,
        only=(
            "airplane",
            "busy-street",
            "cafe",
            "construction-site",
            "highway",
            "inside-a-train",
            "keyboard",
            "laundry-room",
            "office",
            "restaurant",
            "subway-station",
            "supermarket",
            "vinyl-effect",
            "washing-machine",
        ),
    ),
)
