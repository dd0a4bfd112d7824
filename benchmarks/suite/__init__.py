"""The benchmark suite: subjects (what is measured), cases (by what work), targets (what was promised)."""
