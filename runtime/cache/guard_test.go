package cache

import "testing"

// Pairs that embeddings score high and that have different answers.
var opposites = [][2]string{
	{"Can I get a refund?", "Can I not get a refund?"},
	{"Is the service available in Germany?", "Isn't the service available in Germany?"},
	{"Do you ship with tracking?", "Do you ship without tracking?"},
	{"How do I enable two-factor login?", "How do I disable two-factor login?"},
	{"How do I turn on notifications?", "How do I turn off notifications?"},
	{"How do I log in?", "How do I log out?"},
	{"What is the capital of France?", "What is the capital of Spain?"},
	{"Is it legal to record calls?", "Is it illegal to record calls?"},
	{"Is this drug safe?", "Is this drug unsafe?"},
	{"What is the price for 10 users?", "What is the price for 100 users?"},
	{"What changed in version 1.2?", "What changed in version 1.3?"},
	{"Who founded the company?", "When was the company founded?"},
	{"When does support open?", "Where does support open?"},
	{"How many seats are included?", "How long are seats included?"},
	{"How do I convert PDF to Word?", "How do I convert Word to PDF?"},
	{"Flights from Paris to London", "Flights from London to Paris"},
	{"Is Go faster than Rust?", "Is Rust faster than Go?"},
	{"Who beat Liverpool?", "Who did Liverpool beat?"},
	{"What do lions eat?", "What eats lions?"},
	{"Can I pay before the trial ends?", "Can I pay after the trial ends?"},
	{"Which plans include backups?", "Which plans do not include backups?"},
	{"Are all plans billed monthly?", "Are some plans billed monthly?"},
	{"How do I install it on Windows?", "How do I install it on Linux?"},
	{"How do I increase the limit?", "How do I decrease the limit?"},
	{"What is the maximum upload size?", "What is the minimum upload size?"},
	{"How do I add a user to a team?", "How do I remove a user from a team?"},
	{"How do I upload a file?", "How do I download a file?"},
	{"What is my address?", "What is your address?"},
	{"Transfer to savings", "Transfer from savings"},
	{"Why was my card declined?", "Why was my card accepted?"},
	{"Does the free plan never expire?", "Does the free plan ever expire?"},
	{"How do I stop a job?", "How do I start a job?"},
	{"Are there more than five regions?", "Are there less than five regions?"},
	{"What is the refund policy for annual plans in Germany?", "What is the refund policy for annual plans?"},
	{"Can a minor open an account?", "Can an adult open an account?"},
	{"What's the first step?", "What's the last step?"},
	{"Ist Kaffee gut für Hunde?", "Ist Kaffee nicht gut für Hunde?"},
	{"Le chien peut-il manger du chocolat noir ?", "Le chien ne peut-il pas manger du chocolat noir ?"},
	{"¿Puedo cancelar mi pedido ahora?", "¿No puedo cancelar mi pedido ahora?"},
	{"Is meeting two hours long?", "Is meeting three hours long?"},
}

// Pairs that are one question.
var paraphrases = [][2]string{
	{"How do I reset my password?", "How can I reset my password?"},
	{"How do I reset my password?", "how to reset the password"},
	{"How do I reset my password?", "Please tell me how to reset a password."},
	{"What is the price of the Pro plan?", "What's the cost of the Pro plan?"},
	{"What is the capital of France?", "what's the capital of France"},
	{"How do I delete my account?", "How can I remove my account?"},
	{"How do I cancel an order?", "How can orders be cancelled?"},
	{"Which regions are supported?", "What regions do you support?"},
	{"When does the office open?", "Could you tell me when the office opens?"},
	{"Who is the CEO?", "who's the CEO?"},
	{"How many users can I add?", "How many users could I add please"},
	{"What is the maximum upload size for large files?", "What's the maximum upload size for large files?"},
	{"Is there a limit of 10 projects?", "Is there a limit of ten projects?"},
}

func TestGuard(t *testing.T) {
	for _, pair := range opposites {
		for _, p := range [][2]string{pair, {pair[1], pair[0]}} {
			if sameMeaning(p[0], p[1]) {
				t.Errorf("%q and %q share an answer, want not", p[0], p[1])
			}
		}
	}
	for _, pair := range paraphrases {
		for _, p := range [][2]string{pair, {pair[1], pair[0]}} {
			if !sameMeaning(p[0], p[1]) {
				t.Errorf("%q and %q do not share an answer, want so\n%+v\n%+v", p[0], p[1], read(p[0]), read(p[1]))
			}
		}
	}
}
