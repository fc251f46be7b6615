"""The simulated exchange served over the network, in the words of Binance spot and USD-M futures."""
