"""Every card for every adapter. A card that does not apply says why."""

import pytest
from cards import CARDS, missing
from scenes import ADAPTERS

pytestmark = pytest.mark.jit  # each scene runs a synthetic market


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
async def test_card(card, adapter, tmp_path):
    async with ADAPTERS[adapter](tmp_path) as scene:
        why = missing(scene, card.needs)
        if why is not None:
            pytest.skip(f"{card.number} does not apply to {adapter}: {why}")
        await card.run(scene)


def test_cards_are_numbered_once():
    numbers = [card.number for card in CARDS]
    assert len(set(numbers)) == len(numbers)
