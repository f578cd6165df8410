// A recording of queries, keys and values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "format/qkv_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = quarry::SafetensorsFile::FromBytes(bytes, "f");
  if (!file.ok()) return 0;
  const auto info = quarry::ReadQkvInfo(*file);
  if (!info.ok()) return 0;
  const auto rows = quarry::ReadQkvRows(*file, *info, info->tokens);
  // What is read is as large as the metadata says, and lies in the file.
  if (rows.ok() && (rows->q.size() != static_cast<size_t>(info->tokens * info->q_width()) ||
                    (rows->q.size() + 2 * rows->k.size()) * sizeof(float) > size)) {
    std::abort();
  }
  return 0;
}
