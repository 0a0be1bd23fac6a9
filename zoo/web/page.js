/** The page: a recording, or the microphone, through the model that is chosen. */
import { shareOf } from "./denoiser.js";
import { loudness } from "./loudness.js";
import { Live, Recording } from "./microphone.js";
import { Model, runtime } from "./model.js";
import { Player } from "./player.js";
import { drawLive, Spectrogram } from "./spectrogram.js";
import { encodeWav } from "./wav.js";

const COLUMNS = 1000; // of a spectrogram
const NO_LIMIT = 41; // the slider's end

const at = (id) => document.getElementById(id);
let model; // what is chosen
let recording; // the last one: its name, and a file's bytes or what was recorded
let result; // its samples, before and after
let live; // the microphone, while it is on
let taping; // the microphone, while it is recorded
let turns = 0; // choices of a model
const player = new Player(() => showPlaying());

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

/** Two digits that count. */
const rounded = (value) => String(Number(value.toPrecision(2)));

/** The limit that is chosen, in dB. */
const limit = () => (at("limit").value >= NO_LIMIT ? Infinity : Number(at("limit").value));

async function choose(bytes, name) {
  stopLive();
  say(`Loading ${name}.`);
  const turn = ++turns;
  const next = await Model.open(bytes);
  if (turn !== turns) return next.close(); // another one was chosen meanwhile
  model?.close();
  model = next;
  model.onprogress = (share) => (at("progress").value = share);
  const { sampleRate, latency, hop, licence } = model.info;
  const band = `${sampleRate / 2000} kHz`;
  at("about").textContent =
    `${model.info.model}: for sound up to ${band}, ${Math.round((1000 * (latency + hop - 1)) / sampleRate)} ms late on live ` +
    `sound. Licence of the weights: ${licence || "not said"}.`;
  say("");
  if (recording) await enhance(recording.given, recording.name);
}

/** Samples at the model's rate, of one channel. */
async function decode(given) {
  const { sampleRate } = model.info;
  if (given.samples) {
    const length = Math.ceil((given.samples.length * sampleRate) / given.sampleRate);
    if (!length) throw new Error("Nothing was recorded.");
    const context = new OfflineAudioContext(1, length, sampleRate);
    const buffer = context.createBuffer(1, given.samples.length, given.sampleRate);
    buffer.copyToChannel(given.samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    source.start();
    return (await context.startRendering()).getChannelData(0);
  }
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(given.slice(0));
  } catch {
    throw new Error("This browser cannot read that as sound.");
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((x, n) => (mono[n] += Number.isFinite(x) ? x / sound.numberOfChannels : 0));
  }
  return mono;
}

async function enhance(given, name) {
  if (!model) throw new Error("Choose a model first.");
  const mine = model;
  const noisy = await decode(given);
  const wanted = (recording = { given, name });
  at("progress").hidden = false;
  at("progress").value = 0;
  say(`Computing with ${model.info.model}.`);
  let found;
  try {
    found = await mine.enhance(noisy);
  } catch (error) {
    if (mine === model) throw error;
  } finally {
    at("progress").hidden = true;
  }
  if (mine !== model || wanted !== recording) return; // something else was chosen meanwhile
  const { sampleRate } = model.info;
  const duration = noisy.length / sampleRate;
  const factor = found.seconds / duration;
  result = { noisy, enhanced: found.enhanced, sampleRate, name };
  player.load(noisy, found.enhanced, sampleRate);
  at("position").max = duration;
  at("results").hidden = false;
  at("factor").textContent = `${rounded(factor)}, 1 s of sound in ${rounded(1000 * factor)} ms`;
  at("seconds").textContent = `${duration.toFixed(1)} s in ${found.seconds.toFixed(2)} s`;
  at("download").download = `${name.replace(/\.[^.]*$/, "")}-enhanced.wav`;
  result.spectrogram = new Spectrogram(noisy, sampleRate, COLUMNS);
  showResult();
  showPlaying();
  say(`${name}: done, real-time factor ${factor.toFixed(4)}.`);
}

/** What the limit leaves of the result: pictures, loudness, and the file. */
function showResult() {
  const { noisy, enhanced, sampleRate, spectrogram } = result;
  const share = shareOf(limit());
  const limited = share ? enhanced.map((x, n) => x + (noisy[n] - x) * share) : enhanced;
  result.after = new Spectrogram(limited, sampleRate, COLUMNS);
  draw();
  const [before, after] = [loudness(noisy, sampleRate), loudness(limited, sampleRate)];
  const told = (level) => (Number.isFinite(level) ? level.toFixed(1) : "below -70");
  at("loudness").textContent = `${told(before)} LUFS, then ${told(after)}`;
  result.levels = { before, after };
  match();
  URL.revokeObjectURL(at("download").href);
  at("download").href = URL.createObjectURL(encodeWav(limited, sampleRate));
}

function draw() {
  if (!result?.after) return;
  result.spectrogram.draw(at("before"));
  result.after.draw(at("after"), result.spectrogram.top);
}

/** Play the louder one more quietly, if both shall be as loud as each other. */
function match() {
  const { before, after } = result.levels;
  const matched = at("matched").checked && Number.isFinite(before) && Number.isFinite(after);
  const quieter = Math.min(before, after);
  const gain = (level) => (matched ? 10 ** ((quieter - level) / 20) : 1);
  player.gains = { before: gain(before), after: gain(after) };
  player.share = shareOf(limit());
  player.update();
}

function hear(after) {
  player.after = after;
  player.update();
  document.querySelector(`[name=heard][value=${after ? "after" : "before"}]`).checked = true;
  at("figure-before").classList.toggle("heard", !after);
  at("figure-after").classList.toggle("heard", after);
}

const clock = (time) => `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, "0")}`;

/** Where the player stands, again and again while it plays. */
function showPlaying() {
  at("play").textContent = player.playing ? "Pause" : "Play";
  at("position").value = player.time;
  at("position").setAttribute("aria-valuetext", `${player.time.toFixed(1)} seconds`);
  at("time").textContent = `${clock(player.time)} / ${clock(player.duration)}`;
  for (const head of document.querySelectorAll(".head")) head.style.left = `${(100 * player.time) / player.duration}%`;
  if (player.playing) requestAnimationFrame(showPlaying);
}

async function playOrPause() {
  if (player.playing) player.pause();
  else await player.play();
  showPlaying();
}

async function seek(time) {
  await player.seek(time);
  if (!player.playing) showPlaying();
}

async function loop() {
  await player.setLoop(at("loop").checked);
}

async function record() {
  if (!taping) {
    player.pause();
    taping = await Recording.start();
    const timer = setInterval(() => taping && say(`Recording: ${taping.duration.toFixed(1)} s`), 200);
    taping.timer = timer;
  } else {
    clearInterval(taping.timer);
    const given = taping.stop();
    taping = undefined;
    await enhance(given, "recording");
  }
}

function showRecording() {
  at("record").setAttribute("aria-pressed", String(Boolean(taping)));
  at("record").querySelector("span").textContent = taping ? "Stop" : "Record";
}

/** The microphone through the model. */
async function listen() {
  if (!model) throw new Error("Choose a model first.");
  player.pause();
  const factor = await model.time();
  const { sampleRate, model: name } = model.info;
  live = await Live.start(model, (data) => {
    if (!live) return;
    if (data.stopped) return say("The model stopped.", true);
    const milliseconds = (samples) => `${Math.round((1000 * samples) / sampleRate)} ms`;
    const played = Math.round(1000 * live.browserLatency);
    const heard = data.samples ? `, ${(data.samples / sampleRate).toFixed(0)} s heard` : "";
    const lost = data.hops ? `, ${data.lost} of ${data.hops} hops came too late` : "";
    say(`${name}: ${milliseconds(live.node.latency)} late, and ${played} ms of the browser's${heard}${lost}`);
  });
  at("live-told").textContent = `Real-time factor ${rounded(factor)}: computing takes ${rounded(100 * factor)} % of the time.`;
  setLive();
  at("live").hidden = false;
  const drawn = [drawLive(at("live-before"), live.before), drawLive(at("live-after"), live.after)];
  live.stopDrawing = () => drawn.forEach((stop) => stop());
  showLive();
}

function stopLive() {
  if (!live) return;
  live.stopDrawing?.();
  live.stop();
  live = undefined;
  at("live").hidden = true;
  showLive();
  say("");
}

function showLive() {
  at("microphone").setAttribute("aria-pressed", String(Boolean(live)));
  at("microphone").textContent = live ? "Stop" : "Listen";
}

function setLive() {
  live?.set({ bypass: at("bypass").checked, attenuationLimit: limit() });
}

function showLimit() {
  at("limit-told").textContent = limit() === Infinity ? "none" : `${limit()} dB`;
  at("limit").setAttribute("aria-valuetext", at("limit-told").textContent);
}

/** Let a button do something that takes time, and nothing else meanwhile. */
function button(id, action) {
  at(id).onclick = handled(async () => {
    at(id).disabled = true;
    try {
      await action();
    } finally {
      at(id).disabled = false;
      at(id).focus();
    }
  });
}

async function begin() {
  const models = await (await fetch("models.json")).json();
  for (const name of models) at("model").add(new Option(name, `${name}.wasm`));
  const { address } = await runtime();
  const where = /^https:/.test(address) ? `from ${new URL(address).host}` : "from this page's server";
  at("about-own").textContent =
    `One of your own: a module (.wasm) of speechzoo build, or a graph (.onnx) of speechzoo export. A graph is run by ` +
    `ONNX Runtime (14 MB), which is loaded ${where} when you choose one.`;
  showLimit();
  hear(true);
  await chooseListed();
}

async function chooseListed() {
  const response = await fetch(at("model").value);
  if (!response.ok) throw new Error(`${at("model").value}: ${response.status} ${response.statusText}`);
  await choose(await response.arrayBuffer(), at("model").selectedOptions[0].text);
}

/** A model of the user's own, which is listed as long as the page is open. */
async function chooseFile(file) {
  await choose(await file.arrayBuffer(), file.name);
  const option = new Option(file.name, URL.createObjectURL(file), false, true);
  at("model").add(option);
}

/** What was dropped or chosen. */
async function take(file) {
  if (!file) return;
  if (/\.(wasm|onnx)$/i.test(file.name)) await chooseFile(file);
  else await enhance(await file.arrayBuffer(), file.name);
}

at("model").onchange = handled(chooseListed);
for (const id of ["module", "recording"]) {
  at(id).onchange = handled(async ({ target }) => {
    const [file] = target.files;
    target.value = ""; // so that the same may be chosen again
    await (id === "module" ? file && chooseFile(file) : take(file));
  });
}
button("example", async () => enhance(await (await fetch("example.flac")).arrayBuffer(), "example.flac"));
button("record", () => record().finally(showRecording));
button("play", playOrPause);
button("microphone", () => (live ? stopLive() : listen()));
at("bypass").onchange = setLive;
at("loop").onchange = handled(loop);
at("matched").onchange = match;
at("position").oninput = handled(({ target }) => seek(Number(target.value)));
for (const input of document.querySelectorAll("[name=heard]")) input.onchange = () => hear(input.value === "after");
at("limit").oninput = () => {
  showLimit();
  setLive();
  if (result) match();
};
at("limit").onchange = () => result && showResult();
for (const id of ["before", "after"]) {
  at(id).onclick = handled(async ({ offsetX, currentTarget }) => {
    hear(id === "after");
    await seek((offsetX / currentTarget.clientWidth) * player.duration);
  });
}
at("results").onkeydown = handled(async ({ key, altKey, ctrlKey, metaKey }) => {
  if (altKey || ctrlKey || metaKey) return;
  if (key === "p") await playOrPause();
  else if (key === "b" || key === "a") hear(key === "a");
  else if (key === "x") hear(!player.after);
  else if (key === "l") at("loop").click();
});
addEventListener("resize", draw);
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  handled(() => take(event.dataTransfer.files[0]))();
});
handled(begin)();
