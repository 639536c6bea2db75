"""Penguins, told apart by their measures: a plain PyTorch loop, with two lines that record it.

Run it with: python examples/torch_script.py [TABLE]   It needs PyTorch; the table is the curated one of
palmerpenguins (CC0), by default that of the tests. The record goes into .whence.
"""

import csv
import pathlib
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset, random_split

import whence as wh

wh.autolog()

TABLE = pathlib.Path(__file__).parents[1] / "tests" / "data" / "penguins.csv"
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class Classifier(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, hidden), torch.nn.ReLU(), torch.nn.Dropout(0.1))
        self.head = torch.nn.Linear(hidden, 3)

    def forward(self, measures):
        return self.head(self.body(measures))


def read(path):
    with open(path, newline="") as file:
        birds = [bird for bird in csv.DictReader(file) if all(bird[each] != "NA" for each in MEASURES)]
    measures = torch.tensor([[float(bird[each]) for each in MEASURES] for bird in birds])
    species = torch.tensor([SPECIES.index(bird["species"]) for bird in birds])
    return TensorDataset((measures - measures.mean(0)) / measures.std(0), species)


def accuracy(model, loader):
    model.eval()
    with torch.no_grad():
        hits = [(model(measures).argmax(1) == species).float() for measures, species in loader]
    return torch.cat(hits).mean().item()


def main():
    torch.manual_seed(7)
    train, test = random_split(read(sys.argv[1] if len(sys.argv) > 1 else TABLE), [0.75, 0.25])
    train_loader = DataLoader(train, batch_size=32, shuffle=True)
    test_loader = DataLoader(test, batch_size=64)
    model = Classifier(hidden=16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
    for epoch in range(8):
        model.train()
        total = 0.0
        for measures, species in train_loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(measures), species)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            optimizer.step()
            total += loss.item() * len(species)
        scheduler.step()
        print(f"epoch {epoch}: loss {total / len(train):.4f}, accuracy {accuracy(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
