"""Confident learning: find labels that a model trained without them does not predict.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021. The
library cleanlab does the same and more, but takes four seconds to import; a test compares this file with it.
"""

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

FOLDS: Final = 5
STRENGTH: Final = (
    0.01  # regularisation C of the regression: small, because labels are noisy and features many
)
ITERATIONS: Final = 200

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


def out_of_fold(features: Reals, labels: Ints, groups: Ints, seed: int = 0) -> Reals:
    """Give probabilities (N, K) of rows by logistic regressions trained without the row and without its group.

    `labels` are 0 to K-1. A class without training rows in a fold has probability 0 there. With fewer than two
    groups or classes, all rows are NaN.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n_classes = int(labels.max()) + 1 if len(labels) else 0
    probabilities = np.full((len(labels), n_classes), np.nan)
    n_folds = min(FOLDS, len(np.unique(groups)))
    if n_folds < 2 or len(np.unique(labels)) < 2:
        return probabilities
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with (
        warnings.catch_warnings()
    ):  # a class with fewer rows than folds is lawful here, and lacks in some of them
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(splitter.split(features, labels, groups))
    for train, test in folds:
        if len(np.unique(labels[train])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=ITERATIONS))
        with threadpool_limits(1):  # such small matrices are slower on several threads
            model.fit(features[train], labels[train])
        probabilities[test] = 0.0
        probabilities[np.ix_(test, model.classes_)] = model.predict_proba(features[test])
    return probabilities


def confident_other_classes(probabilities: Reals, labels: Ints) -> Ints:
    """Give the class to which each row confidently belongs where it is not the label; -1 elsewhere.

    A row belongs confidently to a class when its probability is at least the mean over the rows with that label; of
    several such classes the most probable one is given.

    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9]])
    >>> confident_other_classes(probabilities, np.array([0, 0, 1, 1])).tolist()
    [-1, -1, 0, -1]
    """
    n_classes = probabilities.shape[1]
    own_probabilities = [probabilities[labels == number, number] for number in range(n_classes)]
    limits = np.array([part.mean() if len(part) else np.inf for part in own_probabilities])
    confident = np.where(probabilities >= limits - 1e-9, probabilities, -1.0)
    most_confident = confident.argmax(axis=1)
    is_other = (confident.max(axis=1, initial=-1.0) >= 0) & (most_confident != labels)
    return np.where(is_other & (probabilities.argmax(axis=1) != labels), most_confident, -1)
