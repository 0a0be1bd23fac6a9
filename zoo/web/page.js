/** The page: a recording, or the microphone, through the model that is chosen. */
import { Denoiser } from "./denoiser.js";
import { encodeWav } from "./wav.js";

const at = (id) => document.getElementById(id);
let denoiser; // what is chosen
let live; // the microphone's nodes, while it is on
let recording; // the last one, as a file has it

/** Do something at a user's request, and say what went wrong. */
function handled(action) {
  return async (event) => {
    try {
      await action(event);
    } catch (error) {
      say(error.message, true);
    }
  };
}

function say(text, error = false) {
  at("status").textContent = text;
  at("status").classList.toggle("error", error);
}

async function choose(source) {
  stop();
  denoiser = await Denoiser.load(source);
  const { model, sampleRate, latency, licence } = denoiser.info;
  at("about").textContent =
    `${model}: ${sampleRate / 1000} kHz, ${(1000 * latency) / sampleRate} ms late, licence ${licence || "not said"}`;
  if (recording) await enhance(recording);
}

/** A file's samples, mono, at the model's rate. */
async function decode(bytes) {
  const { sampleRate } = denoiser.info;
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(bytes.slice(0));
  } catch {
    throw new Error("This browser cannot read that as sound.");
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((x, n) => (mono[n] += x / sound.numberOfChannels));
  }
  return mono;
}

async function enhance(bytes) {
  if (!denoiser) throw new Error("Choose a model first.");
  const noisy = await decode(bytes);
  recording = bytes;
  const begin = performance.now();
  const clean = denoiser.enhance(noisy);
  const seconds = (performance.now() - begin) / 1000;
  const { sampleRate } = denoiser.info;
  show("before", noisy);
  show("after", clean);
  at("download").href = at("after").src;
  at("results").hidden = false;
  const duration = noisy.length / sampleRate;
  say(`${duration.toFixed(1)} s of sound in ${seconds.toFixed(2)} s: real-time factor ${(seconds / duration).toFixed(4)}`);
}

function show(id, samples) {
  URL.revokeObjectURL(at(id).src);
  at(id).src = URL.createObjectURL(encodeWav(samples, denoiser.info.sampleRate));
}

/** The microphone through a worklet. */
async function listen() {
  if (!denoiser) throw new Error("Choose a model first.");
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    throw new Error("The microphone needs a page from https or localhost, and AudioWorklet.");
  }
  const { sampleRate, model } = denoiser.info;
  const input = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
  live = { context, input };
  try {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "speechzoo-enhancer", {
      channelCount: 1,
      channelCountMode: "explicit",
      outputChannelCount: [1],
      processorOptions: { module: denoiser.module },
    });
    live.node = node;
    const played = 1000 * (context.baseLatency + (context.outputLatency || 0));
    let own = 0;
    node.port.onmessage = ({ data }) => {
      own = data.latency ?? own;
      const milliseconds = (1000 * own) / sampleRate;
      const heard = data.samples ? `, ${(data.samples / sampleRate).toFixed(0)} s heard` : "";
      say(`${model}: ${milliseconds.toFixed(0)} ms late, and ${played.toFixed(0)} ms of the browser's${heard}`);
    };
    node.onprocessorerror = () => say("The model stopped.", true);
    bypass();
    context.createMediaStreamSource(input).connect(node).connect(context.destination);
    at("microphone").setAttribute("aria-pressed", "true");
    at("microphone").textContent = "Stop";
  } catch (error) {
    stop();
    throw error;
  }
}

function stop() {
  if (!live) return;
  live.input.getTracks().forEach((track) => track.stop());
  live.context.close();
  live = undefined;
  at("microphone").setAttribute("aria-pressed", "false");
  at("microphone").textContent = "Listen";
  say("");
}

function bypass() {
  live?.node?.port.postMessage({ bypass: at("bypass").checked });
}

async function begin() {
  const models = await (await fetch("models.json")).json();
  for (const name of models) at("model").add(new Option(name, `${name}.wasm`));
  await choose(at("model").value);
}

at("model").onchange = handled(() => choose(at("model").value));
at("module").onchange = handled(async ({ target }) => choose(await target.files[0].arrayBuffer()));
at("recording").onchange = handled(async ({ target }) => enhance(await target.files[0].arrayBuffer()));
at("example").onclick = handled(async () => enhance(await (await fetch("example.flac")).arrayBuffer()));
at("microphone").onclick = handled(async ({ currentTarget: button }) => {
  button.disabled = true; // until it is on
  try {
    await (live ? stop() : listen());
  } finally {
    button.disabled = false;
  }
});
at("bypass").onchange = bypass;
const main = document.querySelector("main");
main.ondragover = (event) => {
  event.preventDefault();
  main.classList.add("dropping");
};
main.ondragleave = () => main.classList.remove("dropping");
main.ondrop = handled(async (event) => {
  event.preventDefault();
  main.classList.remove("dropping");
  if (event.dataTransfer.files.length) await enhance(await event.dataTransfer.files[0].arrayBuffer());
});
handled(begin)();
