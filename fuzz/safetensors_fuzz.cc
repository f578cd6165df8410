// A safetensors file, and the index of a sharded checkpoint.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "format/safetensors.h"

using quarry::SafetensorsFile;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = SafetensorsFile::FromBytes(bytes, "f");
  if (file.ok()) {
    // Every byte of the data belongs to one tensor, and can be read.
    uint64_t total = 0;
    unsigned sum = 0;
    for (const quarry::TensorInfo& t : file->tensors()) {
      total += t.end - t.begin;
      const auto view = file->Find(t.name);
      if (!view.ok()) continue;
      for (std::byte b : view->data) sum += std::to_integer<unsigned>(b);
      const size_t element = view->dtype == quarry::DType::kF32 ? 4 : 2;
      if (static_cast<uint64_t>(view->n_elements()) * element != view->data.size()) std::abort();
    }
    if (total > size || sum == 1u << 31) std::abort();
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)quarry::ParseSafetensorsIndex(text, "i");
  return 0;
}
