"""Two tiny networks that hold everything the passes must cope with, and batches for them."""

import torch
from torch import Tensor, nn

IMAGE = (3, 8, 8)


class TinyViT(nn.Module):
    """Two pre-norm blocks of 16 wide tokens; 5 tokens an image."""

    input_shape = IMAGE

    def __init__(self, classes: int = 4, width: int = 16, blocks: int = 2) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 4, stride=4)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self.roles = {"embed": "embed", "norm": "norm", "head": "head"}
        for i in range(blocks):
            self.roles |= {f"blocks.{i}.{name}": role for name, role in ROLES.items()}
        self.stages = [name for i in range(blocks) for name in (f"blocks.{i}.attended", f"blocks.{i}")]
        self.feature_map = "norm"
        draw(self, 0)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2)  # (batch, patches, width)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), dim=1)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(dim=1))


ROLES = {
    "norm1": "norm",
    "qkv": "attention",
    "softmax": "attention",
    "proj": "attention",
    "norm2": "norm",
    "fc1": "mlp",
    "act": "mlp",
    "fc2": "mlp",
}


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = 2
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(dim=-1)
        self.proj = nn.Linear(width, width)
        self.attended = nn.Identity()
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = self.softmax(q @ k.transpose(2, 3) / 4) @ v  # (batch, heads, tokens, head_dim)
        x = self.attended(x + self.proj(out.transpose(1, 2).flatten(2)))
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


def convolutional(classes: int = 4) -> nn.Sequential:
    """Strided, grouped and dilated convolutions with BatchNorm, in-place ReLU and dropout of rate 0."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=(2, 1), dilation=(2, 1), groups=4),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.0),
        nn.Linear(32, classes),
    )
    network.stages = ["2", "5"]
    network.feature_map = "5"
    network.roles = {"9": "head"}
    return draw(network, 0)


def rectifier(bias: bool = False) -> nn.Sequential:
    """A ReLU network, positively homogeneous when it has no biases."""
    return draw(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(384, 12, bias=bias),
            nn.ReLU(),
            nn.Linear(12, 4, bias=bias),
        ),
        0,
    )


def draw(network: nn.Module, seed: int) -> nn.Module:
    """Draw every parameter anew from a generator of this seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            centre = 1.0 if "norm" in name and "weight" in name else 0.0
            parameter.copy_(centre + 0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def batches(number: int = 2, size: int = 6, classes: int = 4, seed: int = 1, dtype=torch.float32) -> list:
    """Return `number` batches of random images and labels."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(size, *IMAGE, generator=generator).to(dtype),
            torch.randint(classes, (size,), generator=generator),
        )
        for _ in range(number)
    ]


NETWORKS = {"vit": TinyViT, "convolutional": convolutional}
