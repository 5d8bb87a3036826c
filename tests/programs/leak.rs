// SPDX-License-Identifier: GPL-2.0-or-later
// Ten boxes of 1000 bytes are forgotten, a hundred are dropped; a vector grows once.

#[inline(never)]
fn leak_boxes(n: usize) {
    for i in 0..n {
        std::mem::forget(std::hint::black_box(Box::new([i as u8; 1000])));
    }
}

#[inline(never)]
fn drop_boxes(n: usize) {
    for i in 0..n {
        drop(std::hint::black_box(Box::new([i as u8; 1000])));
    }
}

#[inline(never)]
fn leak_vector() {
    let mut v: Vec<u8> = Vec::with_capacity(2000);
    v.push(1);
    v.reserve_exact(5000);
    std::mem::forget(std::hint::black_box(v));
}

fn main() {
    leak_boxes(10);
    drop_boxes(100);
    leak_vector();
}
