"""Responses of rooms: early reflections by the image source method, then noise that decays."""

from __future__ import annotations

import numpy as np

from zoo.arrays import Array

SOUND = 343.0  # metres a second
LENGTH, WIDTH, HEIGHT = (3.0, 10.0), (2.5, 8.0), (2.3, 4.0)  # metres, of rooms
DISTANCE = (0.2, 2.5)  # metres, from mouth to microphone
MARGIN = 0.3  # metres from the walls
MIXING_SECONDS = 0.06  # after which reflections are too many to be told apart


def room_responses(
    count: int, sample_rate: int, decay_seconds: tuple[float, float], seed: int
) -> tuple[Array, Array]:
    """Responses of shoebox rooms with a mouth and a microphone somewhere in them.

    J. Allen, D. Berkley: Image method for efficiently simulating small-room acoustics, JASA 1979.

    Args:
        count: of rooms.
        sample_rate: in Hz.
        decay_seconds: range of the time in which the sound falls by 60 dB.
        seed: of rooms, places and tails.

    Returns:
        Responses (count, N), N being the longest decay; the direct sound is 1 at sample 0. And the decays
        (count,) in seconds.
    """
    rng = np.random.default_rng(seed)
    decays = rng.uniform(*decay_seconds, count)
    length = round(decay_seconds[1] * sample_rate)
    return (
        np.stack([_response(sample_rate, length, float(decay), rng) for decay in decays]),
        decays.astype(np.float32),
    )


def _response(sample_rate: int, length: int, decay: float, rng: np.random.Generator) -> Array:
    """One room's response: (length,)."""
    room = np.array([rng.uniform(*side) for side in (LENGTH, WIDTH, HEIGHT)])
    volume = float(room.prod())
    surface = 2 * float(room[0] * room[1] + room[1] * room[2] + room[0] * room[2])
    reflection = np.exp(-0.0805 * volume / (surface * decay))  # of pressure, by Eyring's formula
    mouth = rng.uniform(MARGIN, room - MARGIN)
    while True:
        away = rng.standard_normal(3)
        distance = float(rng.uniform(*DISTANCE))
        microphone = mouth + away * (distance / np.linalg.norm(away))
        if (microphone > MARGIN).all() and (microphone < room - MARGIN).all():
            break

    reach = distance + MIXING_SECONDS * SOUND
    axes = [np.arange(-n, n + 1) for n in np.ceil(reach / (2 * room)).astype(int)]
    cells = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, 3)  # (images, 1, 3)
    flips = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), -1).reshape(1, 8, 3)
    images = (1 - 2 * flips) * mouth + 2 * cells * room
    far = np.linalg.norm(images - microphone, axis=-1)
    bounces = (np.abs(cells - flips) + np.abs(cells)).sum(-1)
    delay = (far - distance) / SOUND * sample_rate
    near = delay < MIXING_SECONDS * sample_rate
    gains = distance * reflection ** bounces[near] / far[near]
    whole = np.floor(delay[near]).astype(int)
    part = delay[near] - whole
    response = np.zeros(length + 2)
    np.add.at(response, whole, gains * (1 - part))
    np.add.at(response, whole + 1, gains * part)
    response = response[:length]

    # Sound that comes from everywhere has 4 pi c / V of the power that a metre's distance has, a second.
    time = np.arange(length) / sample_rate
    level = distance * np.sqrt(4 * np.pi * SOUND / (volume * sample_rate))
    tail = rng.standard_normal(length) * level * 10 ** (-3 * (time + distance / SOUND) / decay)
    dull = rng.uniform(0, 0.4)  # walls and air swallow high frequencies first
    tail[1:] = (tail[1:] + dull * tail[:-1]) / np.sqrt(1 + dull**2)
    # Which is less than the images have where some directions meet few walls.
    last = slice(round((MIXING_SECONDS - 0.01) * sample_rate), round(MIXING_SECONDS * sample_rate))
    tail *= np.sqrt(np.clip(np.sum(response[last] ** 2) / np.sum(tail[last] ** 2), 0.25, 4))
    made: Array = np.where(time < MIXING_SECONDS, response, tail).astype(np.float32)
    return made / made[0]
