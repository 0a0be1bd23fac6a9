/** What the browser's test runs in a page of `speechzoo demo`; it posts what it finds to the server. */
import { Denoiser } from "./denoiser.js";

const at = (id) => document.getElementById(id);

async function until(condition) {
  for (let n = 0; n < 600; n++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing happened in the page: ${at("status").textContent}`);
}

/** The recording through the worklet. */
async function rendered(name) {
  const noisy = new Float32Array(await (await fetch("noisy.f32")).arrayBuffer());
  const { module, info } = await Denoiser.load(`${name}.wasm`);
  const context = new OfflineAudioContext(1, noisy.length, info.sampleRate);
  await context.audioWorklet.addModule("worklet.js");
  const node = new AudioWorkletNode(context, "speechzoo-enhancer", { processorOptions: { module } });
  const latency = new Promise((resolve) => (node.port.onmessage = ({ data }) => resolve(data.latency)));
  const buffer = context.createBuffer(1, noisy.length, info.sampleRate);
  buffer.copyToChannel(noisy, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(node).connect(context.destination);
  source.start();
  const result = (await context.startRendering()).getChannelData(0);
  await post(`${name}.f32`, result.slice(await latency));
}

/** The example, and then a file, as a user takes them, and what the user may download. */
async function files() {
  await until(() => at("about").textContent);
  at("example").click();
  await until(() => !at("results").hidden);
  const example = at("download").href;
  await post("example.wav", await (await fetch(example)).arrayBuffer());
  const chosen = new DataTransfer();
  chosen.items.add(new File([await (await fetch("noisy.wav")).arrayBuffer()], "noisy.wav"));
  at("recording").files = chosen.files;
  at("recording").dispatchEvent(new Event("change"));
  await until(() => at("download").href !== example);
  await post("enhanced.wav", await (await fetch(at("download").href)).arrayBuffer());
}

/** What is no sound. */
async function nonsense() {
  const chosen = new DataTransfer();
  chosen.items.add(new File(["no sound"], "noisy.wav"));
  at("recording").files = chosen.files;
  at("recording").dispatchEvent(new Event("change"));
  await until(() => at("status").classList.contains("error"));
  await post("error.txt", at("status").textContent);
}

/** The microphone for two seconds: what the page says. */
async function microphone() {
  at("microphone").click();
  await until(() => at("status").textContent.includes("2 s heard"));
  const told = at("status").textContent;
  at("microphone").click();
  await post("told.txt", `${told}; ${at("microphone").textContent}`);
}

const post = (name, body) => fetch(name, { method: "POST", body });

try {
  await rendered("fastenhancer_t");
  await rendered("gtcrn");
  await files();
  await nonsense();
  await microphone();
  await post("end", "");
} catch (error) {
  await post("end", `${error.stack}`);
}
