# docker build -t tf-metammf . && docker run --rm -v "$PWD:/data" tf-metammf train --records videos --run run
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && sed -e '/--hash/d' -e 's/ \\$//' requirements.lock > /wheel/constraints.txt

FROM python:3.11-slim
COPY --from=wheel /wheel /wheel
RUN python -m pip install --no-cache-dir --constraint /wheel/constraints.txt "$(ls /wheel/*.whl)[tune]" \
    && rm -r /wheel \
    && useradd --create-home metammf
USER metammf
WORKDIR /data
ENTRYPOINT ["tf-metammf"]
CMD ["--help"]
