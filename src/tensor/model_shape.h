// The few numbers of a model that attention and the KV store need to know.
#pragma once

namespace quarry {

struct ModelShape {
  int layers = 0;
  int heads = 0;     // query heads
  int kv_heads = 0;  // divides heads
  int head_dim = 0;  // a multiple of 8, at most 256

  // Query heads that share one KV head: query head h reads KV head h / group().
  int group() const { return heads / kv_heads; }
};

}  // namespace quarry
