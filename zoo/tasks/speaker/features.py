"""Log mel filterbank energies without torch, by kaldi-native-fbank."""

from __future__ import annotations

import numpy as np

from zoo.arrays import Array
from zoo.extras import extra
from zoo.spec import Filterbank


def filterbank(waveform: Array, front_end: Filterbank, *, subtract_mean: bool = True) -> Array:
    """The features that a speaker network reads; the same each time, since there is no dither.

    Args:
        waveform: (N,) float32 in [-1, 1] at the front end's rate.
        front_end: the features' geometry.
        subtract_mean: over the recording.

    Returns:
        (T, F) float32; T is 0 where not even one frame fits.

    Raises:
        MissingExtraError: kaldi-native-fbank is not installed.
    """
    otherwise = "take a graph that was exported in the form wav"
    with extra("speaker", "features", otherwise, package="kaldi-native-fbank", verb="need"):
        import kaldi_native_fbank
    options = kaldi_native_fbank.FbankOptions()
    frame = options.frame_opts
    frame.samp_freq = front_end.sample_rate
    frame.frame_length_ms = 1e3 * front_end.win_length / front_end.sample_rate
    frame.frame_shift_ms = 1e3 * front_end.hop_length / front_end.sample_rate
    frame.dither, frame.window_type, frame.snip_edges = 0.0, front_end.window, True
    options.mel_opts.num_bins = front_end.bins
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(front_end.sample_rate, waveform * np.float32(front_end.full_scale))
    feats = np.empty((computer.num_frames_ready, front_end.bins), np.float32)
    for index in range(len(feats)):
        feats[index] = computer.get_frame(index)
    return feats - feats.mean(0) if subtract_mean and len(feats) else feats
