"""Figures and pictures that take too long for a test."""
