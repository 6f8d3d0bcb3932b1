// Package trial asks more of the generator than one run: which of several targets
// is better, and by how much ([Compare]), and how much load a target carries
// ([FindCapacity]). It runs plans one at a time, so that targets on one machine do
// not disturb one another, and prints nothing.
package trial
