// Single keys and values copied out of their panels into dense ones: how the columns of a plan
// (vertical lines, kept tokens) reach the attention kernel.
#pragma once

#include <span>

#include "quarry/types.h"

#include "kv/kv_store.h"

namespace quarry {

struct GatherSource {
  const KvStore* kv = nullptr;
  int layer = 0;
  int kv_head = 0;
  KvPlane keys = KvPlane::kRotatedKeys;
  DType dtype = DType::kBF16;
  int head_dim = 0;
};

// Tokens[i] into lane i of a key and a value panel; lanes behind the last are zero.
// REQUIRES: at most 16 tokens.
void GatherPanel(const GatherSource& source, std::span<const TokenPos> tokens, std::byte* keys,
                 std::byte* values);

}  // namespace quarry
