// Package imports keeps, as a test, the rules of which packages of this module may
// import which others. It holds no code.
package imports
