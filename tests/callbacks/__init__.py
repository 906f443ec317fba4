"""Tests of callbacks; a package so that spawned processes can import the fakes."""
