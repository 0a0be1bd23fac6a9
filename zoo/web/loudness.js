/** Loudness after ITU-R BS.1770-4, of one channel. */

const ABSOLUTE = -70; // LUFS, of the first gate
const RELATIVE = -10; // LU, of the second

/**
 * @param {Float32Array} samples
 * @param {number} sampleRate
 * @returns {number} LUFS; -Infinity of silence, and of less than 0.4 s.
 */
export function loudness(samples, sampleRate) {
  const weighted = filter(filter(samples, shelf(sampleRate)), highpass(sampleRate));
  const step = Math.round(0.1 * sampleRate);
  const blocks = [];
  for (let at = 0; at + 4 * step <= weighted.length; at += step) {
    let sum = 0;
    for (let n = at; n < at + 4 * step; n++) sum += weighted[n] ** 2;
    blocks.push(sum / (4 * step));
  }
  const loud = blocks.filter((power) => lufs(power) > ABSOLUTE);
  return lufs(mean(loud.filter((power) => lufs(power) > lufs(mean(loud)) + RELATIVE)));
}

const lufs = (power) => -0.691 + 10 * Math.log10(power);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length || 0;

/** A filter of the second order, as numerator and denominator. */
function filter(samples, [b0, b1, b2, a1, a2]) {
  const result = new Float32Array(samples.length);
  let x1 = 0, x2 = 0, y1 = 0, y2 = 0;
  for (let n = 0; n < samples.length; n++) {
    const y = b0 * samples[n] + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, samples[n], y1, y];
    result[n] = y;
  }
  return result;
}

// The analogue filters behind the coefficients that the recommendation gives at 48 kHz, by the bilinear transform.
function shelf(sampleRate) {
  const k = Math.tan((Math.PI * 1681.974450955533) / sampleRate);
  const [q, high] = [0.7071752369554196, 10 ** (3.999843853973347 / 20)];
  const band = high ** 0.4996667741545416;
  const a0 = 1 + k / q + k * k;
  return [
    (high + (band * k) / q + k * k) / a0, (2 * (k * k - high)) / a0, (high - (band * k) / q + k * k) / a0,
    (2 * (k * k - 1)) / a0, (1 - k / q + k * k) / a0,
  ];
}

function highpass(sampleRate) {
  const k = Math.tan((Math.PI * 38.13547087602444) / sampleRate);
  const q = 0.5003270373238773;
  const a0 = 1 + k / q + k * k;
  return [1, -2, 1, (2 * (k * k - 1)) / a0, (1 - k / q + k * k) / a0];
}
