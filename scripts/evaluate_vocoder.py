"""Compare vocoders on speech that none of them saw: python -m scripts.evaluate_vocoder --help"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts.figures import tell
from zoo.arrays import Array
from zoo.spec import MelSpectrum

if TYPE_CHECKING:
    from zoo.vocoder import Vocoder

EXAMPLES = """example:
  python -m scripts.evaluate_vocoder griffin-lim vocoder.onnx --speech voice/unseen --json vocoders.json

Each makes speech of the log-mel frames of the same stretches of three seconds. Told are, as means: how far
log-mel frames of that are from those that went in; the distance of spectra from those of the speech itself,
at five resolutions, with how differently phases turn (scripts/vocoder/loss.py); PESQ and STOI to the speech
itself; and CPU seconds a second of speech.

With --said-by the frames are what a voice makes of the teacher's texts with the teacher's own times, which is
what a vocoder is given in use:
  python -m scripts.evaluate_vocoder griffin-lim vocos_small --speech voice/data/0000.npz \\
      --said-by fastspeech_small
"""
SECONDS = 3.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.evaluate_vocoder",
        description=__doc__.split(":")[0],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("vocoders", nargs="+", metavar="VOCODER", help="griffin-lim, a vocoder's name, or its .onnx file")
    add("--speech", type=Path, nargs="+", required=True, help="files or folders, as of scripts.train_vocoder")
    add("--said-by", metavar="VOICE", help="a model's name or graph; --speech then names .npz files")
    add("--count", type=int, default=100, help="stretches (default 100)")
    add("--pictures", type=Path, metavar="FOLDER", help="spectrogram and recordings of the first stretch")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args(argv)
    return tell(partial(_evaluate, arguments), arguments.json)


def _evaluate(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    from scripts.vocoder.speech import as_said_by, read_speech, segments
    from scripts.vocoder.training import UNSEEN
    from zoo.tasks.synthesis.synthesizer import Synthesizer
    from zoo.tasks.vocoder.open import find_vocoder
    from zoo.vocoder import GriffinLim

    front_end = MelSpectrum()
    samples = round(SECONDS * front_end.sample_rate)
    if arguments.said_by:
        voice = Synthesizer(arguments.said_by, vocoder=GriffinLim.name)
        recordings = [as_said_by(voice, path) for path in arguments.speech]
    else:
        recordings = read_speech(arguments.speech, front_end.sample_rate)
    stream = segments(recordings, samples, 1, UNSEEN, front_end)
    speech = [(wave[0].numpy(), mel[0].numpy()) for wave, mel in islice(stream, arguments.count)]
    vocoders = {name: find_vocoder(name, front_end) for name in arguments.vocoders}
    if arguments.pictures:
        _draw(vocoders, *speech[0], arguments.pictures)
    return {name: measure(vocoder, speech) for name, vocoder in vocoders.items()}


def measure(vocoder: Vocoder, speech: Sequence[tuple[Array, Array]]) -> dict[str, float]:
    """Means over stretches of speech (N,), of at least a second, with their frames; see ``EXAMPLES``."""
    import torch

    from scripts.vocoder.loss import SpectralLoss
    from zoo.evaluation.metrics import pesq_wide, stoi
    from zoo.signal.mel import log_mel

    loss, front_end = SpectralLoss(vocoder.front_end), vocoder.front_end
    mels, spectra, judged, seconds = [], [], [], 0.0
    vocoder(speech[0][1])  # what is made once is no part of the time
    half, hop = front_end.n_fft // 2, front_end.hop_length
    for whole, mel in speech:
        wave = whole[half:][: len(mel) * hop]  # the frames' middles are half a window late
        began = time.process_time()
        made = vocoder(mel)
        seconds += time.process_time() - began
        mels.append(np.abs(log_mel(made, front_end)[: len(mel)] - mel).mean())
        tensors = (torch.from_numpy(np.ascontiguousarray(one[: len(wave)]))[None] for one in (made, wave))
        spectra.append(loss(*tensors)[0].item())
        pair = made[: len(wave)], wave, front_end.sample_rate
        judged.append((pesq_wide(*pair), stoi(*pair)))
    pesq, intelligible = np.nanmean(judged, axis=0)
    return {
        "log-mel L1": float(np.mean(mels)),
        "spectral distance": float(np.mean(spectra)),
        "PESQ": float(pesq),
        "STOI": float(intelligible),
        "CPU seconds a second": seconds * front_end.sample_rate / sum(len(mel) * hop for _, mel in speech),
    }


def _draw(vocoders: dict[str, Vocoder], wave: Array, mel: Array, folder: Path) -> None:
    import soundfile

    from zoo.signal.plot import plot_spectrograms

    folder.mkdir(parents=True, exist_ok=True)
    rate = next(iter(vocoders.values())).front_end.sample_rate
    drawn = [("speech", wave)]
    for name, vocoder in vocoders.items():
        drawn.append((Path(name).stem, vocoder(mel)[: len(wave)]))
    for name, made in drawn:
        soundfile.write(folder / f"{name}.wav", made, rate)
    plot_spectrograms(folder / "vocoders.png", drawn, rate, force=True)


if __name__ == "__main__":
    sys.exit(main())
