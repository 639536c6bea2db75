"""A small classifier in plain NumPy: two layers over the slopes of the strokes, trained by Adam."""

import io

import numpy as np


class Network:
    """Recognises the digits 0 to 9 in images of 28 x 28 pixels, from 0 (paper) to 1 (ink)."""

    def __init__(self, *, rate, seed, hidden=128):
        random = np.random.default_rng(seed)
        self.layers = [random.normal(0, n**-0.5, (n, m)) for n, m in ((392, hidden), (hidden, 10))]
        self.means = [np.zeros_like(layer) for layer in self.layers]
        self.squares = [np.zeros_like(layer) for layer in self.layers]
        self.rate, self.steps = rate, 0

    def step(self, pixels, labels):
        """Learn from one batch; returns its loss before."""
        strokes = slopes(pixels)
        hidden = (strokes @ self.layers[0]).clip(0)
        chances = softmax(hidden @ self.layers[1])
        error = (chances - np.eye(10)[labels]) / len(labels)
        back = (error @ self.layers[1].T) * (hidden > 0)
        self.follow(strokes.T @ back, hidden.T @ error)
        return -np.log(chances[np.arange(len(labels)), labels]).mean()

    def follow(self, *gradients):
        """One step of Adam (Kingma & Ba, 2015)."""
        self.steps += 1
        fresh = 1 - 0.9**self.steps, 1 - 0.99**self.steps
        for at, gradient in enumerate(gradients):
            self.means[at] += (gradient - self.means[at]) * 0.1
            self.squares[at] += (gradient**2 - self.squares[at]) * 0.01
            pace = np.sqrt(self.squares[at] / fresh[1]) + 1e-8
            self.layers[at] -= self.rate * self.means[at] / fresh[0] / pace

    def predict(self, pixels):
        """The digit in each image."""
        return ((slopes(pixels) @ self.layers[0]).clip(0) @ self.layers[1]).argmax(axis=1)

    def to_bytes(self):
        """The layers, as a .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, *self.layers)
        return buffer.getvalue()


def slopes(pixels):
    """How steeply the ink rises in eight directions, averaged over each of 7 x 7 tiles."""
    down, right = np.gradient(pixels, axis=(1, 2))
    four = np.stack([right, down, right + down, right - down], axis=-1)
    eight = np.concatenate([four, -four], axis=-1).clip(0)
    return 10 * eight.reshape(-1, 7, 4, 7, 4, 8).mean(axis=(2, 4)).reshape(len(pixels), 392)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
