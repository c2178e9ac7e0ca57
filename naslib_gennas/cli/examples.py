"""What stands under the help of every command."""

EXAMPLES = {
    "demo": ("gennas demo --out runs/demo",),
    "doctor": ("gennas doctor",),
    "score": (
        "gennas score --space nasbench201 --sample 20 --preset instant",
        "gennas score --space nasbench201 --all --preset instant --out runs/all",
        "gennas score --timm 'resnet*' --input-size 64",
    ),
    "compare": ("gennas compare --space nasbench201 5 77", "gennas compare --space nasbench201 5 77 --table mine.csv"),
    "correlate": ("gennas correlate --space nasbench201 --table mine.csv --metric accuracy --sample 100",),
    "benchmark": (
        "gennas benchmark --space nasbench201 --table mine.csv --measures gennas,synflow,naswot",
        "gennas benchmark --suite table2 --quick --table nasbench101:nb101.csv",
    ),
    "search": (
        "gennas search --space nasbench201 --steps 450 --out runs/search",
        "gennas search --space nasbench201 --screen instant --keep 5% --all",
        "gennas search --space nasbench201 --start starts.json --preset best",
    ),
    "fit": (
        "gennas fit --space nasbench201 --labels mine.csv --out runs/fit",
        "gennas fit --space nasbench201 --suggest 10 --out runs/loop",
    ),
    "task-search": ("gennas task-search --space nasbench201 --table mine.csv --labelled 20 --out runs/task",),
    "one-shot": ("gennas one-shot gdas --data cifar.npz --epochs 50 --out runs/gdas",),
    "warm-start": ("gennas warm-start runs/search --count 20 --out starts.json",),
    "export": ("gennas export --space nasbench201 5 --out net.py",),
    "report": ("gennas report runs/all runs/search --out report.html",),
    "top": ("gennas top runs/all",),
    "spaces": ("gennas spaces", "gennas spaces show nasbench201"),
    "presets": ("gennas presets", "gennas presets show hybrid"),
    "signals": ("gennas signals show dot", "gennas signals --picture signals.png"),
    "measures": ("gennas measures", "gennas measures show synflow", "gennas measures time naswot,gennas@instant"),
    "scores": ("gennas scores show runs/all 5 --space nasbench201",),
    "tables": ("gennas tables convert nasbench_only108.tfrecord nb101.csv.gz",),
    "naslib": ("gennas naslib zc --config-file examples/naslib/zc.yaml --table analog-nasbench",),
}
