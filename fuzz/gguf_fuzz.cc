// A GGUF file: container, configuration, tokenizer, and every tensor's values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "format/gguf.h"
#include "format/gguf_config.h"
#include "tensor/quantize.h"
#include "text/tokenizer_gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto model = quarry::GgufModel::FromBytes(bytes, "f");
  if (!model.ok()) {
    if (model.status().message().empty()) std::abort();
    return 0;
  }
  const quarry::GgufFile* file = &model->metadata();
  const auto config = quarry::ReadGgufConfig(*model);
  if (config.ok() && config->n_heads % config->n_kv_heads != 0) std::abort();
  for (const quarry::GgufTensorInfo& t : file->tensors()) {
    const auto view = file->Find(t.name);
    if (!view.ok()) continue;
    const int64_t k = view->shape.back(), row_bytes = quarry::RowBytes(view->type, k);
    std::vector<float> row(static_cast<size_t>(k));
    for (size_t at = 0; at < view->data.size(); at += static_cast<size_t>(row_bytes)) {
      quarry::DequantizeRow(view->type, view->data.data() + at, k, row.data());
    }
  }
  auto parts = quarry::text::ParseGgufTokenizer(*file);
  if (!parts.ok()) return 0;
  const auto pipeline = quarry::text::Pipeline::Create(*std::move(parts));
  if (!pipeline.ok()) return 0;
  const auto ids = (*pipeline)->Encode("Hello, 123  world\n\xC3\xA9\xF0\x9F\x98\x80 <s></s>", {});
  if (ids.ok()) (void)(*pipeline)->Decode(*ids, false);
  return 0;
}
