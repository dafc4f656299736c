"""The training step of benches/train_step.rs in PyTorch: the same network, batch, loss, optimiser and threads.

Usage: python3 benches/pytorch_step.py [--turns N]     (needs the package torch; nothing else here does)

Prints processor and wall milliseconds a step with one thread and with two, written in two ways: `conv1d`, as people
write it, and shifted slices joined for one `linear`, PyTorch's fastest layout for this network.
"""

import argparse
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

ITEMS, FRAMES, BANDS, WORDS, STRIDE, CHANNELS, KERNEL = 16, 598, 40, 10, 4, 128, 3
DILATIONS = [1, 2, 4, 8]


class Conv1d(nn.Module):
    """A causal convolution as `conv1d`, on channels before time."""

    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        self.pad = (kernel - 1) * dilation
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)

    def forward(self, x):
        return self.conv(F.pad(x.transpose(1, 2), (self.pad, 0))).transpose(1, 2)


class Slices(nn.Module):
    """A causal convolution as one `linear` over shifted slices, on time before channels."""

    def __init__(self, inputs, outputs, kernel, dilation):
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.linear = nn.Linear(kernel * inputs, outputs)

    def forward(self, x):
        time_steps = x.shape[1]
        padded = F.pad(x, (0, 0, (self.kernel - 1) * self.dilation, 0))
        slices = [padded[:, i * self.dilation : i * self.dilation + time_steps] for i in range(self.kernel)]
        return self.linear(torch.cat(slices, dim=2))


class Network(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.front = conv(BANDS * STRIDE, CHANNELS, 2, 1)
        self.convs = nn.ModuleList(conv(CHANNELS, CHANNELS, KERNEL, d) for d in DILATIONS)
        self.norms = nn.ModuleList(nn.LayerNorm(CHANNELS) for _ in DILATIONS)
        self.pointwise = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS) for _ in DILATIONS)
        self.head = nn.Linear(CHANNELS, WORDS + 1)

    def forward(self, x):
        frames = x.shape[1] // STRIDE
        x = self.front(x[:, : frames * STRIDE].reshape(x.shape[0], frames, STRIDE * BANDS))
        for conv, norm, pointwise in zip(self.convs, self.norms, self.pointwise):
            x = x + pointwise(F.gelu(norm(conv(x))))
        return self.head(x)


def measure(conv, threads, turns):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    network = Network(conv)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    features = torch.randn(ITEMS, FRAMES, BANDS)
    targets = torch.randint(1, WORDS + 1, (ITEMS, 6))
    lengths = (torch.full((ITEMS,), FRAMES // STRIDE), torch.full((ITEMS,), 6))

    def step():
        optimiser.zero_grad(set_to_none=True)
        scores = network(features).log_softmax(2).transpose(0, 1)
        F.ctc_loss(scores, targets, *lengths).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()

    for _ in range(3):
        step()
    processor, wall = [], []
    for _ in range(turns):
        begun, begun_wall = time.process_time(), time.perf_counter()
        step()
        processor.append(1e3 * (time.process_time() - begun))
        wall.append(1e3 * (time.perf_counter() - begun_wall))
    return processor, wall


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    print(f"PyTorch {torch.__version__}, {turns} turns, median (least to most) in ms")
    for threads in (1, 2):
        for name, conv in (("conv1d", Conv1d), ("slices and linear", Slices)):
            processor, wall = measure(conv, threads, turns)
            print(
                f"  {threads} thread(s), {name}: "
                f"processor {statistics.median(processor):.1f} ({min(processor):.1f} to {max(processor):.1f}), "
                f"wall {statistics.median(wall):.1f} ({min(wall):.1f} to {max(wall):.1f})"
            )
    print(f"  peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
