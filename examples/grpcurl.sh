#!/bin/sh
# Calls a running server from the shell: examples/grpcurl.sh [host:port]
# The server answers reflection, so grpcurl needs no .proto file.
set -eu
address=${1:-127.0.0.1:50051}
call() {
  echo "# $1"
  grpcurl -plaintext -d "$2" "$address" "albert.v1.InferenceService/$1"
}

grpcurl -plaintext "$address" list
grpcurl -plaintext "$address" describe albert.v1.ClassifyRequest
grpcurl -plaintext "$address" grpc.health.v1.Health/Check

call ListModels '{}'
call Classify '{"options": {"model": "sentiment"}, "text": "A gripping, honest film."}'
call Tokenize '{"options": {"model": "sentiment"}, "text": "A gripping, honest film."}'
call Encode '{"options": {"model": "sentiment"}, "text": "A gripping, honest film.", "pooling": "POOLING_MEAN"}'

# Many requests on one stream; the answers come as they are ready, each with the id of its request.
echo '# StreamInfer'
printf '%s\n' \
  '{"item": {"correlation_id": "1", "classify": {"options": {"model": "sentiment"}, "text": "What a cast!"}}}' \
  '{"item": {"correlation_id": "2", "classify": {"options": {"model": "sentiment"}, "text": "A waste of time."}}}' |
  grpcurl -plaintext -d @ "$address" albert.v1.InferenceService/StreamInfer
