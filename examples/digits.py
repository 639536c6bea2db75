"""Handwritten digits, from image files to a trained model. Run it with: python digits.py"""

import numpy as np
from network import Network
from PIL import Image

import whence as wh


def decode(file):
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("L"), np.float32)
    return {"pixels": pixels, "label": int(file.parent.name), "number": int(file.name[:5])}


def has_ink(digit):
    return digit["pixels"].max() > 50


def belongs_to(digit, *, part):
    return part == ("test" if digit["number"] % 5 == 0 else "train")


def shift(digit, dx, dy):
    return digit | {"pixels": np.roll(digit["pixels"], (dy, dx), axis=(0, 1))}


def fade(digit, *, rng, most):
    return digit | {"pixels": digit["pixels"] * np.float32(rng.uniform(1 - most, 1))}


def normalise(digit):
    return digit | {"pixels": digit["pixels"] / np.float32(255)}


digits = wh.from_files("images/**/*.png", name="mnist").map(decode, on_error="quarantine")
digits = digits.filter(has_ink, reason="blank image").dedup("pixels")
train = (
    digits.filter(belongs_to, part="train", reason="held out for testing")
    .map(shift, draw={"dx": wh.draw.integers(-2, 3), "dy": wh.draw.integers(-2, 3)})
    .map(fade, most=0.3)
    .map(normalise)
    .shuffle(seed=7)
    .batch(32)
    .named("train")
)
test = digits.filter(belongs_to, part="test", reason="for training").map(normalise).batch(100).named("test")

network = Network(rate=0.005, seed=1)
with wh.start_run("train digits", params={"rate": 0.005, "seed": 1}) as run:
    for epoch in range(3):
        for batch in train.epoch(epoch):
            run.log_metric("loss", network.step(batch["pixels"], batch["label"]))
        hits = [network.predict(batch["pixels"]) == batch["label"] for batch in test.epoch(epoch)]
        accuracy = float(np.concatenate(hits).mean())
        run.log_metric("accuracy", accuracy)
        print(f"epoch {epoch}: {accuracy:.1%} of the held-out digits are recognised")
    run.log_model("digits", network.to_bytes(), metadata={"accuracy": accuracy})
