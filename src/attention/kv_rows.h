// Rows of keys and values into the panels of a KV store, and back.
#pragma once

#include <cstdint>

#include "quarry/status.h"
#include "quarry/types.h"

#include "kv/kv_store.h"
#include "ops/exec_context.h"
#include "ops/rope.h"
#include "tensor/model_shape.h"

namespace quarry {

// Layout of a store for `shape` with elements of `dtype`; rules in the order of KvPlane.
KvLayout MakeKvLayout(const ModelShape& shape, DType dtype,
                      const std::array<PlaneRule, kKvPlanes>& rules);

// One step's keys and values of one layer, before rotation.
struct NewRows {
  TokenPos first = 0;  // position of row 0
  int64_t n = 0;
  const float* keys = nullptr;    // [n][stride], kv_heads * head_dim used
  const float* values = nullptr;  // the same
  int64_t stride = 0;
  const float* cos = nullptr;  // [n][rope.pairs()], angles of these positions
  const float* sin = nullptr;
};

// Writes the planes that the store keeps. With both key planes kept, the rotated key is made from
// the raw one as stored, so that it can be made again with the same bits.
// REQUIRES: tokens [first, first + n) are reserved.
void AppendRows(KvStore& kv, int layer, const ModelShape& shape, DType dtype, const Rope& rope,
                const NewRows& rows, ExecContext& ctx);

// Cuts the store back to n tokens. Rotated keys of the window that were given back since are made
// anew from the raw ones. Returns false, with nothing changed, if keys or values are missing that
// cannot be made again: the caller then starts over.
Result<bool> TruncateRows(KvStore& kv, const ModelShape& shape, DType dtype, const Rope& rope,
                          TokenPos n, ExecContext& ctx);

// One key row, [head_dim], as stored.
void ReadKey(const KvStore& kv, int layer, KvPlane plane, int head, TokenPos t, DType dtype,
             int head_dim, float* out);

}  // namespace quarry
