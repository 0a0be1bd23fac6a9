"""Triton's ``feature_extractor``: waveforms to log mel filterbank energies, on a server without speechzoo.

The features are Kaldi's without dither, so that the same recording always gives the same ones. All numbers
come from the model's configuration, which ``converters.triton`` wrote from the artifact's manifest.
"""

import json

import kaldi_native_fbank
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args: dict) -> None:
        parameters = json.loads(args["model_config"])["parameters"]

        def number(name: str) -> int:
            return int(parameters[name]["string_value"])

        self.rate, self.bins = number("sample_rate"), number("bins")
        self.win_length, self.hop_length = number("win_length"), number("hop_length")
        self.least_frames, self.most_frames = number("least_frames"), number("most_frames")
        self.window = parameters["window"]["string_value"]
        self.full_scale = np.float32(parameters["full_scale"]["string_value"])
        self.options = kaldi_native_fbank.FbankOptions()
        frame = self.options.frame_opts
        frame.samp_freq = self.rate
        frame.frame_length_ms = 1e3 * self.win_length / self.rate
        frame.frame_shift_ms = 1e3 * self.hop_length / self.rate
        frame.dither, frame.window_type, frame.snip_edges = 0.0, self.window, True
        self.options.mel_opts.num_bins = self.bins

    def execute(self, requests: list) -> list:
        return [self.respond(request) for request in requests]

    def respond(self, request: "pb.InferenceRequest") -> "pb.InferenceResponse":
        waves = pb.get_input_tensor_by_name(request, "wav").as_numpy()  # (B, N)
        wrong = self.fault(waves)
        if wrong:
            error = pb.TritonError(wrong, pb.TritonError.INVALID_ARG)
            return pb.InferenceResponse(output_tensors=[], error=error)
        feats = np.stack([self.features(wave) for wave in waves])  # (B, T, F)
        return pb.InferenceResponse(output_tensors=[pb.Tensor("speech", feats)])

    def fault(self, waves: np.ndarray) -> str:
        """What is wrong with a request; empty if nothing is."""
        least, beyond = (
            self.win_length + (frames - 1) * self.hop_length
            for frames in (self.least_frames, self.most_frames + 1)
        )
        if waves.shape[1] >= beyond:
            return (
                f"wav: {waves.shape[1]} samples, and less than {beyond} are taken, {beyond / self.rate:g} s "
                f"at {self.rate} Hz; send it in pieces"
            )
        if waves.shape[1] < least:
            return (
                f"wav: {waves.shape[1]} samples, and {least} are needed, {least / self.rate:g} s at "
                f"{self.rate} Hz; send a longer recording"
            )
        if not np.isfinite(waves).all():
            return "wav: it holds samples that are NaN or infinite; repair the recording"
        return ""

    def features(self, wave: np.ndarray) -> np.ndarray:
        """(N,) in [-1, 1] -> (T, F), the mean of each filter taken out."""
        computer = kaldi_native_fbank.OnlineFbank(self.options)
        computer.accept_waveform(self.rate, wave * self.full_scale)
        feats = np.empty((computer.num_frames_ready, self.bins), np.float32)
        for index in range(len(feats)):
            feats[index] = computer.get_frame(index)
        return feats - feats.mean(0)
