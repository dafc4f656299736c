//! Training in the background: datasets, augmentation, loss, runs, checkpoints, evaluation.
