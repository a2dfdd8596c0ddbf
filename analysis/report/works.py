"""Papers, data sets and programs that results rest on; keys are stable.

Keys may stand in somebody's manuscript: never change the meaning of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata


def _own_version() -> str:
    try:
        return metadata.version("sgd-thermometer")
    except metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Work:
    """A paper, a data set or a program."""

    key: str
    """BibTeX key."""
    kind: str
    """BibTeX type: ``article``, ``inproceedings`` or ``misc``."""
    authors: str
    """Authors as BibTeX writes them, joined by ``and``."""
    title: str
    year: int
    fields: Mapping[str, str] = field(default_factory=dict)
    """Further BibTeX fields: journal, volume, pages, doi, eprint, url."""

    @property
    def url(self) -> str:
        """Where it can be read; empty if it has no address."""
        if "doi" in self.fields:
            return f"https://doi.org/{self.fields['doi']}"
        if "eprint" in self.fields:
            return f"https://arxiv.org/abs/{self.fields['eprint']}"
        return self.fields.get("url", "")

    def sentence(self) -> str:
        """Return the work as a line of a list of references.

        >>> from analysis.report.works import WORKS
        >>> WORKS["numpy"].sentence()
        'Harris et al., Array programming with NumPy, Nature 585, 357-362 (2020)'
        """
        names = [_family_name(author) for author in self.authors.split(" and ")]
        who = f"{names[0]} et al." if len(names) > 3 else ", ".join(names[:-1])
        if len(names) <= 3:
            who += f"{' and ' if who else ''}{names[-1]}"
        places = ("journal", "booktitle", "howpublished", "volume")
        place = " ".join(self.fields[name] for name in places if name in self.fields)
        if "pages" in self.fields:
            place += f", {self.fields['pages'].replace('--', '-')}"
        if "eprint" in self.fields:
            place += f"{', ' if place else ''}arXiv:{self.fields['eprint']}"
        return f"{who}, {self.title}{', ' if place else ''}{place} ({self.year})"

    def bibtex(self) -> str:
        """Return the BibTeX entry."""
        entries = {"author": self.authors, "title": f"{{{self.title}}}", "year": str(self.year)}
        entries |= dict(self.fields)
        if "eprint" in entries:
            entries["archiveprefix"] = "arXiv"
        lines = [f"  {name} = {{{_escaped(value)}}}," for name, value in entries.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


def _escaped(text: str) -> str:
    return text.replace("&", r"\&")


def _family_name(author: str) -> str:
    return author.strip("{}").partition(",")[0]


_REGIMES = (
    Work(
        "sclocchi2023dissecting",
        "inproceedings",
        "Sclocchi, Antonio and Geiger, Mario and Wyart, Matthieu",
        "Dissecting the effects of SGD noise in distinct regimes of deep learning",
        2023,
        {
            "booktitle": "Proceedings of the 40th International Conference on Machine Learning",
            "series": "Proceedings of Machine Learning Research",
            "volume": "202",
            "pages": "30381--30405",
            "eprint": "2301.13703",
        },
    ),
    Work(
        "sclocchi2024regimes",
        "article",
        "Sclocchi, Antonio and Wyart, Matthieu",
        "On the different regimes of stochastic gradient descent",
        2024,
        {
            "journal": "Proceedings of the National Academy of Sciences",
            "volume": "121",
            "number": "9",
            "pages": "e2316301121",
            "doi": "10.1073/pnas.2316301121",
            "eprint": "2309.10688",
        },
    ),
    Work(
        "chizat2019lazy",
        "inproceedings",
        "Chizat, Lenaic and Oyallon, Edouard and Bach, Francis",
        "On lazy training in differentiable programming",
        2019,
        {
            "booktitle": "Advances in Neural Information Processing Systems",
            "volume": "32",
            "eprint": "1812.07956",
        },
    ),
    Work(
        "geiger2020disentangling",
        "article",
        "Geiger, Mario and Spigler, Stefano and Jacot, Arthur and Wyart, Matthieu",
        "Disentangling feature and lazy training in deep neural networks",
        2020,
        {
            "journal": "Journal of Statistical Mechanics: Theory and Experiment",
            "volume": "2020",
            "pages": "113301",
            "eprint": "1906.08034",
        },
    ),
    Work(
        "jacot2018ntk",
        "inproceedings",
        "Jacot, Arthur and Gabriel, Franck and Hongler, Clément",
        "Neural tangent kernel: convergence and generalization in neural networks",
        2018,
        {
            "booktitle": "Advances in Neural Information Processing Systems",
            "volume": "31",
            "eprint": "1806.07572",
        },
    ),
)

_METHODS = (
    Work(
        "bhattacharjee2001collapse",
        "article",
        "Bhattacharjee, Somendra M. and Seno, Flavio",
        "A measure of data collapse for scaling",
        2001,
        {
            "journal": "Journal of Physics A: Mathematical and General",
            "volume": "34",
            "pages": "6375--6380",
            "doi": "10.1088/0305-4470/34/33/302",
        },
    ),
    Work(
        "houdayer2004collapse",
        "article",
        "Houdayer, Jérôme and Hartmann, Alexander K.",
        "Low-temperature behavior of two-dimensional Gaussian Ising spin glasses",
        2004,
        {
            "journal": "Physical Review B",
            "volume": "70",
            "pages": "014418",
            "doi": "10.1103/PhysRevB.70.014418",
        },
    ),
    Work(
        "mignacco2022effective",
        "article",
        "Mignacco, Francesca and Urbani, Pierfrancesco",
        "The effective noise of stochastic gradient descent",
        2022,
        {
            "journal": "Journal of Statistical Mechanics: Theory and Experiment",
            "volume": "2022",
            "pages": "083405",
            "eprint": "2112.10852",
        },
    ),
    Work(
        "simsekli2019tail",
        "inproceedings",
        "Simsekli, Umut and Sagun, Levent and Gürbüzbalaban, Mert",
        "A tail-index analysis of stochastic gradient noise in deep neural networks",
        2019,
        {
            "booktitle": "Proceedings of the 36th International Conference on Machine Learning",
            "series": "Proceedings of Machine Learning Research",
            "volume": "97",
            "eprint": "1901.06053",
        },
    ),
    Work(
        "battash2024noise",
        "inproceedings",
        "Battash, Barak and Wolf, Lior and Lindenbaum, Ofir",
        "Revisiting the noise model of stochastic gradient descent",
        2024,
        {
            "booktitle": "Proceedings of the 27th International Conference on Artificial "
            "Intelligence and Statistics",
            "series": "Proceedings of Machine Learning Research",
            "volume": "238",
            "pages": "4780--4788",
            "eprint": "2303.02749",
        },
    ),
    Work(
        "meng2020state",
        "misc",
        "Meng, Qi and Gong, Shiqi and Chen, Wei and Ma, Zhi-Ming and Liu, Tie-Yan",
        "Dynamic of stochastic gradient descent with state-dependent noise",
        2020,
        {"eprint": "2006.13719"},
    ),
    Work(
        "wu2020noisy",
        "inproceedings",
        "Wu, Jingfeng and Hu, Wenqing and Xiong, Haoyi and Huan, Jun and Braverman, Vladimir and "
        "Zhu, Zhanxing",
        "On the noisy gradient descent that generalizes as SGD",
        2020,
        {
            "booktitle": "Proceedings of the 37th International Conference on Machine Learning",
            "series": "Proceedings of Machine Learning Research",
            "volume": "119",
            "pages": "10367--10376",
            "eprint": "1906.07405",
        },
    ),
    Work(
        "salmon2011random",
        "inproceedings",
        "Salmon, John K. and Moraes, Mark A. and Dror, Ron O. and Shaw, David E.",
        "Parallel random numbers: as easy as 1, 2, 3",
        2011,
        {
            "booktitle": "Proceedings of the International Conference for High Performance "
            "Computing, Networking, Storage and Analysis (SC11)",
            "pages": "1--12",
            "doi": "10.1145/2063384.2063405",
        },
    ),
)

_DATA = (
    Work(
        "digits",
        "misc",
        "Alpaydin, E. and Kaynak, C.",
        "Optical recognition of handwritten digits",
        1998,
        {"howpublished": "UCI Machine Learning Repository", "doi": "10.24432/C50P49"},
    ),
    Work(
        "mnist",
        "article",
        "LeCun, Yann and Bottou, Léon and Bengio, Yoshua and Haffner, Patrick",
        "Gradient-based learning applied to document recognition",
        1998,
        {
            "journal": "Proceedings of the IEEE",
            "volume": "86",
            "number": "11",
            "pages": "2278--2324",
            "doi": "10.1109/5.726791",
        },
    ),
    Work(
        "fashion-mnist",
        "misc",
        "Xiao, Han and Rasul, Kashif and Vollgraf, Roland",
        "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
        2017,
        {"eprint": "1708.07747"},
    ),
    Work(
        "cifar10",
        "misc",
        "Krizhevsky, Alex",
        "Learning multiple layers of features from tiny images",
        2009,
        {"howpublished": "Technical report, University of Toronto"},
    ),
)

_PROGRAMS = (
    Work(
        "sgd-thermometer",
        "misc",
        "{The sgd-thermometer developers}",
        f"sgd-thermometer {_own_version()}",
        2026,
        {"howpublished": "Software"},
    ),
    Work(
        "numpy",
        "article",
        "Harris, Charles R. and Millman, K. Jarrod and van der Walt, Stéfan J. and others",
        "Array programming with NumPy",
        2020,
        {
            "journal": "Nature",
            "volume": "585",
            "pages": "357--362",
            "doi": "10.1038/s41586-020-2649-2",
        },
    ),
    Work(
        "scipy",
        "article",
        "Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and others",
        "SciPy 1.0: fundamental algorithms for scientific computing in Python",
        2020,
        {
            "journal": "Nature Methods",
            "volume": "17",
            "pages": "261--272",
            "doi": "10.1038/s41592-019-0686-2",
        },
    ),
    Work(
        "pandas",
        "inproceedings",
        "McKinney, Wes",
        "Data structures for statistical computing in Python",
        2010,
        {
            "booktitle": "Proceedings of the 9th Python in Science Conference",
            "pages": "56--61",
            "doi": "10.25080/Majora-92bf1922-00a",
        },
    ),
    Work(
        "matplotlib",
        "article",
        "Hunter, John D.",
        "Matplotlib: a 2D graphics environment",
        2007,
        {
            "journal": "Computing in Science & Engineering",
            "volume": "9",
            "number": "3",
            "pages": "90--95",
            "doi": "10.1109/MCSE.2007.55",
        },
    ),
    Work(
        "numba",
        "inproceedings",
        "Lam, Siu Kwan and Pitrou, Antoine and Seibert, Stanley",
        "Numba: a LLVM-based Python JIT compiler",
        2015,
        {
            "booktitle": "Proceedings of the Second Workshop on the LLVM Compiler "
            "Infrastructure in HPC",
            "number": "7",
            "pages": "1--6",
            "doi": "10.1145/2833157.2833162",
        },
    ),
    Work(
        "torch",
        "inproceedings",
        "Paszke, Adam and Gross, Sam and Massa, Francisco and others",
        "PyTorch: an imperative style, high-performance deep learning library",
        2019,
        {
            "booktitle": "Advances in Neural Information Processing Systems",
            "volume": "32",
            "eprint": "1912.01703",
        },
    ),
    Work(
        "scikit-learn",
        "article",
        "Pedregosa, Fabian and Varoquaux, Gaël and Gramfort, Alexandre and others",
        "Scikit-learn: machine learning in Python",
        2011,
        {
            "journal": "Journal of Machine Learning Research",
            "volume": "12",
            "pages": "2825--2830",
        },
    ),
    Work(
        "ray",
        "inproceedings",
        "Moritz, Philipp and Nishihara, Robert and Wang, Stephanie and others",
        "Ray: a distributed framework for emerging AI applications",
        2018,
        {
            "booktitle": "13th USENIX Symposium on Operating Systems Design and Implementation",
            "pages": "561--577",
            "eprint": "1712.05889",
        },
    ),
    Work(
        "optuna",
        "inproceedings",
        "Akiba, Takuya and Sano, Shotaro and Yanase, Toshihiko and Ohta, Takeru and "
        "Koyama, Masanori",
        "Optuna: a next-generation hyperparameter optimization framework",
        2019,
        {
            "booktitle": "Proceedings of the 25th ACM SIGKDD International Conference on "
            "Knowledge Discovery and Data Mining",
            "pages": "2623--2631",
            "doi": "10.1145/3292500.3330701",
        },
    ),
    Work(
        "mlflow",
        "article",
        "Zaharia, Matei A. and Chen, Andrew and Davidson, Aaron and others",
        "Accelerating the machine learning lifecycle with MLflow",
        2018,
        {
            "journal": "IEEE Data Engineering Bulletin",
            "volume": "41",
            "number": "4",
            "pages": "39--45",
        },
    ),
)

WORKS = {work.key: work for work in (*_REGIMES, *_METHODS, *_DATA, *_PROGRAMS)}
"""Every known work by its key."""
