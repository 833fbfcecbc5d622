"""What `--help` prints of each subcommand: its line, and its own page."""

from __future__ import annotations

SUBCOMMANDS: dict[str, str] = {
    "compare": "samplers, judges, models and data sets side by side, over seeds: summary.csv and report.html",
    "report": "tables, figures and a page of one run or of a comparison",
    "identify": "find false negatives offline, without a model: inferred_positives.tsv",
    "recommend": "lists for users from the folder of a trained run, by token",
    "export": "user and item vectors of a trained run, for a vector index",
    "convert": "plain train.txt, valid.txt, test.txt, or a CSV file, to RecBole's atomic files",
    "doctor": "versions, GPU, 4-bit support, data found, what would run and what is missing",
    "trees": "update: place new items into finished trees, and say when to build them again",
    "completion": "the script with which bash or zsh completes subcommands, keys and values",
}

PAGES: dict[str, str] = {
    "compare": """\
usage: recbole-dtlns compare --datasets=A,B [--models=A,B] [--samplers=A,B] [--judges=A,B] [--key=value ...]
       recbole-dtlns compare --plan=FILE.yaml [--key=value ...]
       recbole-dtlns compare --run_dir=FOLDER          goes on with the plan that lies in the folder

Trains every sampler on every model and data set, on one split and from several seeds. Ends with a ranked table and a
verdict, and writes summary.csv and report.html. Exit status 1 if a run failed; the tables are written all the same.

  --datasets=A,B      names, as for --dataset
  --models=A,B        RecBole models (LightGCN)
  --samplers=A,B      rows: recbole:uniform, dns, mixgcf, dtl_ns, NAME+tree, NAME+pos, EASE, ... (docs/comparing.md)
  --judges=A,B        of every row with inferred positives (learned)
  --seeds=N           seeds of each row (1)
  --trials=N          settings that each row tries on valid (0); --search=random, grid or optuna
  --noise=0,0.1       levels of noise
  --jobs=N            runs at a time; --gpus=0,1 deals out GPUs
  --engine=ray        runs go to a Ray cluster: --ray_address=HOST:PORT, --task_cpus=1, --task_gpus=0 (docs/scale.md)
  --plan=FILE         the same from YAML; flags win over it
  --dry_run           what would run and what it would cost
  --run_dir=FOLDER    where it goes (a fresh folder under saved/)
  --key=value         any key of RecBole or of ours, for all runs

Example: recbole-dtlns compare --models=BPR --datasets=ml-100k --samplers=recbole:uniform,dns,dtl_ns --seeds=3
""",
    "report": """\
usage: recbole-dtlns report RUN_DIR [--ours=ROW] [--metric=METRIC] [--out=FOLDER]

Writes report.html, one file that needs no network, and report/ with its tables and figures, of a single run or of a
comparison. Needs the extra `report`: pip install 'recbole-dtlns[report]'.

  --ours=ROW          the row that is tested against all others (the first dtl_ns row)
  --metric=METRIC     heads tables, tests and figures (the metric that validation went by)
  --out=FOLDER        where to write (RUN_DIR)

Example: recbole-dtlns report saved/mine --ours=dtl_ns@rule --metric=recall@20
""",
    "identify": """\
usage: recbole-dtlns identify --dataset=NAME [--judge=NAME] [--key=value ...]

Finds false negatives offline, from train alone and without training a model: trees, candidates, verdicts. Writes
inferred_positives.tsv. What it computes lies in the cache, so that a training run takes it up.

  --judge=NAME        rule, keep_all, learned, llm, server, student or file (learned)
  --llm_model=NAME    hub name, local folder or GGUF file, for judge=llm
  --shard=I/N         judge this part of the users only
  --engine=ray        parts of the users go to a Ray cluster: --ray_address=HOST:PORT, --jobs=N, --task_cpus=1,
                      --task_gpus=0 (docs/scale.md)
  --run_dir=FOLDER    where it goes (a fresh folder under saved/)
  --key=value         any key; `--help_keys` lists ours

Example: recbole-dtlns identify --dataset=ml-100k --judge=rule
""",
    "recommend": """\
usage: recbole-dtlns recommend RUN_DIR [--topk=20] [--users=A,B] [--output=FILE]

Lists for users from the folder of a trained run, by token: user, item, rank,
score. What a user has already is left out.

  --topk=N            items for each user (20)
  --users=A,B         these users (all); one with a comma in it stands in
                      quotation marks: --users='"Smith, X",bob'
  --output=FILE       where to write (standard output)

Example: recbole-dtlns recommend saved/mine --topk=10 --output=lists.tsv
""",
    "export": """\
usage: recbole-dtlns export RUN_DIR --output=FOLDER [--format=npy|parquet]

User and item vectors of a trained model, for a vector index: the model's score is their dot product. Models that score
otherwise are refused.

  --output=FOLDER     where to write
  --format=NAME       npy: arrays, and a file of tokens beside each; parquet: columns token and vector (npy)

Example: recbole-dtlns export saved/mine --output=vectors
""",
    "convert": """\
usage: recbole-dtlns convert SOURCE_FOLDER TARGET [--name=NAME] [--text_layout=pairs] [--seed=2020]
       recbole-dtlns convert FILE.csv TARGET [--name=NAME] [--columns=A,B] [--separator=,] [--header=true]

Turns plain train.txt, valid.txt and test.txt, or a CSV file, into RecBole's atomic files in TARGET/NAME.

  --name=NAME         of the data set (that of the source)
  --text_layout=WORD  auto, pairs (`user item` a line) or lists (`user item item ...`)
  --seed=N            of the valid part that is made where there is none (2020)
  --columns=A,B       what the columns of the CSV file are: user,item,rating,timestamp
  --separator=,       of the CSV file; a tab is \\t
  --header=true       whether its first line names the columns

Example: recbole-dtlns convert orders.csv data --columns=user,item,timestamp
""",
    "doctor": """\
usage: recbole-dtlns doctor [--dataset=NAME] [--model=NAME] [--key=value ...]

Says what is installed and what is missing. With a data set it reads the files, names what would run in the order in
which it would, what that would cost, and what is missing for it. Nothing is trained or written.

Example: recbole-dtlns doctor --model=LightGCN --dataset=ml-100k
""",
    "trees": """\
usage: recbole-dtlns trees update FOLDER --dataset=NAME --output=NEW_FOLDER [--drift=true] [--key=value ...]

Places the new items of a data set into the trees of FOLDER (co_paths.txt and emb_paths.txt, as --export_codes writes
them) without moving an old code. Says how many items a rebuild would place elsewhere, and whether to rebuild. A run
reads the new files with --codes_co=NEW_FOLDER/co_paths.txt --codes_se=NEW_FOLDER/emb_paths.txt.

  --output=FOLDER     a new folder: both trees, a .json beside each, and drift.json
  --drift=false       place only; nothing is built anew
  --item_vectors=NAME vectors of old and new items: svd, text (with --item_text), or a file (those of the old trees)
  --key=value         any key that decides the training split

Example: recbole-dtlns trees update codes --dataset=ml-100k --output=codes-2
""",
    "completion": """\
usage: recbole-dtlns completion bash
       recbole-dtlns completion zsh

Prints the script with which a shell completes subcommands, keys and their values. To use it:
  echo 'source <(recbole-dtlns completion bash)' >> ~/.bashrc
""",
}
