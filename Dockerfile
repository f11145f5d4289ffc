# docker build -t tf-metammf . && docker run --rm --user "$(id -u)" -v "$PWD:/data" tf-metammf train --records videos --run run
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.11-slim
COPY requirements-runtime.lock /tmp/
RUN python -m pip install --no-cache-dir --require-hashes -r /tmp/requirements-runtime.lock \
    && rm /tmp/requirements-runtime.lock \
    && useradd --create-home --uid 1000 metammf
COPY --from=wheel /wheel /tmp/wheel
RUN python -m pip install --no-cache-dir --no-deps /tmp/wheel/*.whl && rm -r /tmp/wheel
USER metammf
WORKDIR /data
ENTRYPOINT ["tf-metammf"]
CMD ["--help"]
