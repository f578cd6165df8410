// A RopeSpec into the frequencies of a Rope: base, scaling, and where they depend on it, the length
// of the sequence.
#pragma once

#include "ops/rope.h"
#include "tensor/rope_spec.h"

namespace quarry {

// total_length: tokens the sequence will have at most, prompt and answer; dynamic and LongRoPE
// choose by it. It is fixed per sequence, because another choice would turn keys that are already
// cached: the result is that of one pass over the whole sequence.
Rope MakeRope(const RopeSpec& spec, int head_dim, int64_t total_length);

// What llama3 scaling makes of the plain frequency f of a pair. REQUIRES: spec.kind is kLlama3.
double Llama3Frequency(const RopeSpec& spec, double f);

}  // namespace quarry
