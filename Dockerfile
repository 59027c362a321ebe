# ctcnv with its workflow:  docker build -t ctcnv .  and  docker run -v "$PWD:/data" ctcnv --help
FROM python:3.13-slim

COPY requirements.lock /opt/ctcnv/
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes \
    -r /opt/ctcnv/requirements.lock

COPY . /opt/ctcnv
# In place, so that `ctcnv run` finds the workflow beside the package; pip would download a builder.
RUN ln -s /opt/ctcnv/src/ctcnv "$(python -c 'import site; print(site.getsitepackages()[0])')" \
    && printf '#!/bin/sh\nexec python -P -m ctcnv "$@"\n' >/usr/local/bin/ctcnv \
    && chmod +x /usr/local/bin/ctcnv \
    && python -m compileall -q /opt/ctcnv/src

# Where Snakemake, numba and Matplotlib keep what they made, also with `docker run --user`. With
# Apptainer it stays the user's own home, and packages in there must not stand before these.
ENV HOME=/tmp USERNAME=ctcnv PYTHONNOUSERSITE=1
# `docker stop` is Ctrl-C: after SIGTERM the jobs that run would be waited for, and killed after 10 s.
STOPSIGNAL SIGINT
WORKDIR /data
ENTRYPOINT ["ctcnv"]
CMD ["--help"]
