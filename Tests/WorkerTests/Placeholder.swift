// Placeholder of the target's first file.
