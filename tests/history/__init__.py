"""Tests of router/history."""
