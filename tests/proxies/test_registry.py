"""Names with options: one spelling for one definition, one line for a mistake."""

import pytest

import proxies
from tests.proxies.networks import TinyViT, batches


@pytest.mark.parametrize(
    ("written", "own"),
    [
        ("l_swag", "l_swag"),
        ("l_swag[interval=0-9]", "l_swag"),
        ("l_swag[interval=3-7,mean=true]", "l_swag[mean=true,interval=3-7]"),
        ("gennas[steps=5]", "gennas"),
        ("w_pca[eta=5e-1]", "w_pca[eta=0.5]"),
    ],
)
def test_one_definition_has_one_name(written, own):
    assert proxies.get(written).name == own


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("snp", "Unknown proxy 'snp'. Did you mean 'snip'?"),
        ("snip[x=1]", "Proxy 'snip' has no options; expected snip."),
        ("gennas[step=3]", "Proxy 'gennas': Unknown option 'step'. Did you mean 'steps'?"),
        (
            "gennas[steps=3",
            "Proxy 'gennas[steps=3' has no closing bracket; expected gennas[option=value,...].",
        ),
        ("gennas[steps=few]", "Proxy 'gennas': steps is 'few'; expected a whole number."),
        ("gennas[steps=3,steps=4]", "Proxy 'gennas': steps is given twice; expected once."),
        ("w_pca[eta=nan]", "Proxy 'w_pca': eta is 'nan'; expected a number."),
        ("l_swag[interval=7-3]", "Proxy 'l_swag': interval is '7-3'; expected two tenths of the depth, 0-9."),
    ],
)
def test_a_mistake_is_one_line(written, line):
    with pytest.raises(proxies.ProxyError) as caught:
        proxies.get(written)
    assert str(caught.value) == line


@pytest.mark.parametrize("eta", [0, 2, -1])
def test_a_share_outside_its_range_fails_its_row(eta):
    name = f"v_pca[eta={eta}]"
    found = proxies.compute([name], TinyViT(), batches())[proxies.get(name).name]
    assert found.status == "error" and "at most 1" in found.message
    assert found.value is None
