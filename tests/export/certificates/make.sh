#!/bin/sh
# Makes the certificates of the tests, valid for a century: an authority, a server on loopback, a client, and the
# client's key under a password. Nothing but the tests trusts them.
set -e
cd "$(dirname "$0")"
scratch=$(mktemp -d)
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

new_key "$scratch/ca.key"
openssl req -x509 -new -key "$scratch/ca.key" -days 36500 -subj "/CN=tf-metammf tests" -out authority.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
for name in server client; do
    new_key "$scratch/$name.key"
    openssl req -new -key "$scratch/$name.key" -subj "/CN=$name" -out "$scratch/$name.csr"
    printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=${name}Auth" \
        "subjectAltName=DNS:localhost,IP:127.0.0.1" "authorityKeyIdentifier=keyid" "subjectKeyIdentifier=hash" \
        > "$scratch/extensions"
    openssl x509 -req -in "$scratch/$name.csr" -CA authority.pem -CAkey "$scratch/ca.key" -CAcreateserial \
        -CAserial "$scratch/serial" -days 36500 -extfile "$scratch/extensions" -out "$scratch/$name.crt"
    openssl pkcs8 -topk8 -nocrypt -in "$scratch/$name.key" -out "$scratch/$name.pk8"
    cat "$scratch/$name.crt" "$scratch/$name.pk8" > "$name.pem"
done
openssl pkcs8 -topk8 -in "$scratch/client.key" -passout pass:secret -out client-encrypted.key
rm -r "$scratch"
