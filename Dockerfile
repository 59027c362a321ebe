# ctcnv with its workflow:  docker build -t ctcnv .  and  docker run -v "$PWD:/data" ctcnv --help
FROM python:3.13-slim

COPY requirements.lock /opt/ctcnv/
RUN pip install --no-cache-dir --require-hashes -r /opt/ctcnv/requirements.lock

COPY . /opt/ctcnv
# in place, so that `ctcnv run` finds the workflow beside the package
RUN pip install --no-cache-dir --no-deps -e /opt/ctcnv

WORKDIR /data
ENTRYPOINT ["ctcnv"]
CMD ["--help"]
