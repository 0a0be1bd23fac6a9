/** What the browser's test runs in a page of `speechzoo demo`; it posts what it finds to the server. */
import { Denoiser } from "./denoiser.js";
import { loadRuntime } from "./graph.js";
import { Model } from "./model.js";
import { Player } from "./player.js";

const at = (id) => document.getElementById(id);
const post = (name, body) => fetch(name, { method: "POST", body });
const fetched = async (name) => (await fetch(name)).arrayBuffer();
const noisy = new Float32Array(await fetched("noisy.f32"));

async function until(condition) {
  for (let n = 0; n < 600; n++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing happened in the page: ${at("status").textContent}`);
}

/** Choose a file, as a user does. */
async function choose(id, name, bytes) {
  const chosen = new DataTransfer();
  chosen.items.add(new File([bytes], name));
  at(id).files = chosen.files;
  at(id).dispatchEvent(new Event("change"));
}

/** Drop a file somewhere on the page. */
async function drop(name, bytes) {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  at("drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}

/** Do something, and wait for another result. */
async function another(action) {
  const last = at("download").href;
  await action();
  await until(() => at("download").href !== last);
  return fetched(at("download").href);
}

/** Do something, and wait for its error. */
async function refused(action) {
  await action();
  await until(() => at("status").classList.contains("error"));
  const told = at("status").textContent;
  at("status").classList.remove("error");
  return told;
}

/** The recording through the worklet. */
async function rendered(name) {
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

/** The example, then a file, less of it, and with a module of the user's own; and what the user may download. */
async function files() {
  await until(() => at("about").textContent);
  at("example").click();
  await until(() => !at("results").hidden);
  await post("example.wav", await fetched(at("download").href));
  const recording = await fetched("noisy.wav");
  await post("enhanced.wav", await another(() => choose("recording", "noisy.wav", recording)));
  at("limit").value = 12;
  at("limit").dispatchEvent(new Event("input"));
  await post("limited.wav", await another(() => at("limit").dispatchEvent(new Event("change"))));
  at("limit").value = at("limit").max;
  await post("module.wav", await another(async () => drop("mine.wasm", await fetched("gtcrn.wasm"))));
}

/** What is no sound, and no model. */
async function nonsense() {
  await post("error.txt", await refused(() => drop("noisy.wav", "no sound")));
  await post("no-model.txt", await refused(() => choose("module", "mine.onnx", "no graph")));
}

/** A graph of the user's own; where there is no runtime for it, what the page says. */
async function graph() {
  const bytes = await fetched("mine.onnx");
  if (!at("about-own").textContent.includes("from this page's server")) return;
  await post("graph.wav", await another(() => choose("module", "mine.onnx", bytes)));
  at("microphone").click();
  await until(() => /[2-9] s heard/.test(at("status").textContent));
  await post("graph.txt", at("status").textContent);
  at("microphone").click();
  await until(() => at("microphone").textContent === "Listen");
  const own = await Model.open(bytes);
  let lost = 1;
  for (let n = 0; n < 4 && lost; n++) lost = await heard("graph", own); // a busy machine may be too late
  await post("graph-lost.txt", String(lost));
  own.close();
  at("model").selectedIndex = 0;
  await another(() => at("model").dispatchEvent(new Event("change")));
}

/** ONNX Runtime that is not there, or is another one. */
async function noRuntime() {
  const told = [];
  const wrong = `sha384-${"A".repeat(64)}`;
  const integrity = { "ort.wasm.bundle.min.mjs": wrong, "ort-wasm-simd-threaded.wasm": wrong };
  for (const address of ["nowhere/", "onnxruntime/"]) {
    await loadRuntime({ address, integrity }).catch((error) => told.push(error.message));
  }
  await post("no-runtime.json", JSON.stringify(told));
}

/** The microphone for two seconds: what the page says. */
async function microphone() {
  at("model").selectedIndex = 0;
  await another(() => at("model").dispatchEvent(new Event("change")));
  at("microphone").click();
  await until(() => at("status").textContent.includes("2 s heard"));
  const told = at("status").textContent;
  at("microphone").click();
  await until(() => at("microphone").textContent === "Listen");
  await post("told.txt", `${told}; ${at("microphone").textContent}`);
}

/** The microphone before and after a model's node, sample beside sample; gives how many hops came too late. */
async function heard(name, model) {
  const input = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext({ sampleRate: model.info.sampleRate });
  await context.suspend(); // until all is connected, so that all begins with one block
  await context.audioWorklet.addModule("tap.js");
  const [node, tap, merger] = [await model.node(context), new AudioWorkletNode(context, "tap"), context.createChannelMerger(2)];
  const blocks = [];
  let lost = 0;
  let told = 0;
  tap.port.onmessage = ({ data }) => blocks.push(data);
  node.port.onmessage = ({ data }) => ([told, lost] = [data.samples, data.lost ?? 0]);
  merger.connect(tap).connect(context.destination);
  const source = context.createMediaStreamSource(input);
  node.connect(merger, 0, 1);
  source.connect(merger, 0, 0);
  source.connect(node);
  await context.resume();
  await until(() => blocks.length * 128 > 2 * model.info.sampleRate);
  const count = blocks.length;
  await until(() => told > (count + 64) * 128); // what was lost until then is counted
  await context.close();
  blocks.length = count;
  input.getTracks().forEach((track) => track.stop());
  const joined = (channel) => new Blob(blocks.map((block) => block[channel]));
  await post(`${name}-in.f32`, joined(0));
  await post(`${name}-out.f32`, joined(1));
  await post(`${name}-latency.txt`, String(node.latency));
  return lost;
}

/** What is played, before and after a change in the middle. */
async function played() {
  const enhanced = noisy.map((x) => -x / 2);
  const player = new Player(() => {});
  player.context = new AudioContext({ sampleRate: 16000 });
  await player.context.audioWorklet.addModule("worklet.js");
  const recorder = new AudioWorkletNode(player.context, "speechzoo-recorder");
  recorder.connect(player.context.destination);
  const blocks = [];
  recorder.port.onmessage = ({ data }) => blocks.push(data);
  Object.defineProperty(player.context, "destination", { value: recorder });
  player.load(noisy, enhanced, 16000);
  player.loop = true;
  player.after = false;
  player.gains = { before: 0.5, after: 1 };
  player.share = 0.25;
  await player.play();
  await until(() => player.context.currentTime > player.begun + 1);
  player.after = true;
  player.update();
  await until(() => player.context.currentTime > player.begun + 4); // once around
  player.pause();
  await player.context.close();
  await post("played.f32", new Blob(blocks));
}

/** Keys, names, and the width of a phone. */
async function access() {
  const key = (name) => at("play").dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  const chosen = () => document.querySelector("[name=heard]:checked").value;
  const found = [];
  for (const name of ["b", "x", "x", "a"]) {
    key(name);
    found.push(chosen());
  }
  key("l");
  found.push(at("loop").checked);
  key("p");
  await until(() => at("play").textContent === "Pause" && Number(at("position").value) > 0.2);
  key("p");
  await until(() => at("play").textContent === "Play");
  found.push([...document.querySelectorAll("button, input, select, a")].filter(
    (control) => !(control.labels?.length || control.ariaLabel || control.textContent.trim()),
  ).length);
  const frame = document.createElement("iframe");
  frame.width = 320;
  frame.src = "index.html";
  document.body.append(frame);
  await until(() => frame.contentDocument?.getElementById("about")?.textContent);
  frame.contentDocument.getElementById("results").hidden = false;
  frame.contentDocument.getElementById("live").hidden = false;
  found.push(frame.contentDocument.documentElement.scrollWidth);
  frame.remove();
  await post("access.json", JSON.stringify(found));
}

/** The microphone recorded, and a browser without one. */
async function recorded() {
  await post("recorded.wav", await another(async () => {
    at("record").click();
    await until(() => /Recording: [1-9]/.test(at("status").textContent));
    at("record").click();
  }));
  Object.defineProperty(navigator, "mediaDevices", { value: undefined, configurable: true });
  await post("no-microphone.txt", await refused(() => at("microphone").click()));
  delete navigator.mediaDevices;
}

/** The example that others may copy. */
async function copied() {
  const frame = document.createElement("iframe");
  frame.src = "microphone.html";
  document.body.append(frame);
  const found = (id) => frame.contentDocument?.getElementById(id);
  await until(() => found("listen")?.onclick);
  found("listen").click();
  await until(() => found("told").textContent);
  await post("copied.txt", found("told").textContent);
  frame.remove();
}

const isolated = new URLSearchParams(location.search).has("isolated");
try {
  if (isolated !== crossOriginIsolated) throw new Error(`isolated: ${crossOriginIsolated}`);
  if (isolated) {
    await heard("isolated", await Model.open(await fetched("fastenhancer_t.wasm")));
    await post("end", "");
  } else {
    await rendered("ulunas");
    await rendered("gtcrn");
    await files();
    await nonsense();
    await noRuntime();
    await graph();
    await microphone();
    await heard("shared", await Model.open(await fetched("fastenhancer_t.wasm")));
    await played();
    await access();
    await copied();
    await recorded();
    location.search = "isolated";
  }
} catch (error) {
  await post("end", `${error.stack}`);
}
