"""Signals to views."""
