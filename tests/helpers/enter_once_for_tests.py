"""Strategies that open one position at the fortieth bar and say nothing else."""

from bot4.strategies.api import Strategy


class Long(Strategy):
    """Long at bar 40."""

    def on_bar(self, bar):
        return 1.0 if len(bar.bars()) == 40 else None


class Short(Strategy):
    """Short at bar 40."""

    def on_bar(self, bar):
        return -1.0 if len(bar.bars()) == 40 else None
